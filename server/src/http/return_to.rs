//! Return paths of forms.

/// A path within this project to return to; `None` for anything else.
#[must_use]
pub fn return_to(slug: &str, wanted: &str) -> Option<String> {
    let inside = wanted.strip_prefix("/p/")?.strip_prefix(slug)?.strip_prefix('/')?;
    let path = inside.split_once('?').map_or(inside, |(path, _)| path);
    let plain =
        !path.is_empty() && wanted.len() <= 4000 && wanted.chars().all(|c| c.is_ascii_graphic() && c != '\\') && !path.contains("..");
    plain.then(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_project_are_come_back_to() {
        assert!(return_to("app", "/p/app/inbox?q=status%3Anew&item=1").is_some());
        // A range of scores in the query does not lead outside.
        assert!(return_to("app", "/p/app/inbox?q=score%3A3..5").is_some());
        for bad in ["", "/", "/p/app/", "/p/app", "/p/other/inbox", "/p/app2/inbox", "//evil.example/", "https://evil.example/p/app/inbox"]
        {
            assert_eq!(return_to("app", bad), None, "{bad}");
        }
        for bad in ["/p/app/\\evil", "/p/app/../../x", "/p/app/x\r\nSet-Cookie: a=b", "/p/app/ü", "/p/app/?x"] {
            assert_eq!(return_to("app", bad), None, "{bad}");
        }
    }
}
