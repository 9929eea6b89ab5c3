//! Detects languages by their small, frequent words. Only languages in Latin letters: for other scripts, trigrams have few candidates to
//! compare.

use std::{collections::HashMap, sync::LazyLock};

/// Words of which nearly every sentence has some, for the languages in Latin letters. A word may belong to several languages.
const WORDS: [(&str, &str); 16] = [
    (
        "en",
        "the to of and is it i my you that for on with this not have are be was but what how can when your do does there will would if from they we me has why which who get am just so all been where about could should did or at an as",
    ),
    (
        "de",
        "der die das und ist nicht ich zu den ein eine mit es auf für von dem sie wie im auch wird werden hat habe kann mir mich wir aber wenn bei oder noch nach nur sich haben meine mein einen einer sehr wo warum sind",
    ),
    (
        "fr",
        "le la les de des du et est je ne pas que qui dans pour un une ce il elle nous vous mon ma mes avec sur plus mais ou où par au aux sont ont comment pourquoi très j qu cette être fait",
    ),
    (
        "es",
        "el la los las de del y es que no en un una por para con se mi lo me su al como más pero cómo cuando está esta este muy qué hay tengo ha son sin porque dónde puedo",
    ),
    (
        "it",
        "il lo la gli le di del della e è che non un una per con mi ho si ma come sono nel più questo questa dei da al alla quando perché dove anche mio mia molto ha posso",
    ),
    (
        "pt",
        "o os as de do da dos das e é que não um uma para com em no na me meu minha se mas como mais por eu foi está isso muito quando são ao tem você onde porque posso",
    ),
    (
        "nl",
        "de het een en is niet ik van te dat op voor met zijn die er aan mijn maar ook hebben heb kan wat hoe als naar nog bij om wordt worden deze geen waarom wel je u",
    ),
    (
        "da",
        "og er jeg det en at ikke til på med af den som der har kan min mit vi men hvordan hvad hvorfor et når fra blev skal så mig være eller også meget",
    ),
    (
        "sv",
        "och är jag det att inte en till på med av den som har kan min mitt vi men hur vad varför ett när från ska så mig vara eller också mycket för",
    ),
    (
        "nb",
        "og er jeg det en at ikke til på med av den som har kan min mitt vi men hvordan hva hvorfor et når fra skal så meg være eller også mye ble",
    ),
    ("fi", "ja on ei en se että olen mutta miten miksi kun tai oli minun mitä ovat olla niin myös sitä kuin jos voi vain nyt hän tämä"),
    ("hu", "a az és nem hogy egy van is ez de meg már csak mint én ha vagy el volt kell miért hogyan mert nagyon nincs lehet azt ezt"),
    ("ro", "și în nu este la cu de pe un o care mai să că am din pentru sunt ce dar cum când a fost foarte mi al ale lui aceasta acest"),
    ("tr", "ve bir bu için ne ama çok var yok değil nasıl neden ben daha gibi ile da de mi mı kadar sonra olarak en şu ki her olan"),
    (
        "pl",
        "i w nie to na jest się z że do jak o co ale po od za mi mam czy dla jestem tak są był było przez może gdy bardzo mnie dlaczego moje",
    ),
    ("cs", "a je se na v že to s z do o ale jak jsem si jsou pro by není co mi tak za po když nebo už byl bylo proč velmi moje mám"),
];

static BY_WORD: LazyLock<HashMap<&'static str, u16>> = LazyLock::new(|| {
    let mut by_word = HashMap::new();
    for (n, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split(' ') {
            *by_word.entry(word).or_default() |= 1 << n;
        }
    }
    by_word
});

/// The language of which a text contains at least three small words, and twice as many as of any other.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let mut counts = [0_u32; WORDS.len()];
    let mut buffer = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty() && w.len() <= 12) {
        buffer.clear();
        buffer.extend(word.chars().flat_map(char::to_lowercase));
        let Some(mut languages) = BY_WORD.get(buffer.as_str()).copied() else { continue };
        while languages != 0 {
            let n = languages.trailing_zeros() as usize;
            counts[n] += 1;
            languages &= languages - 1;
        }
    }
    let (best, most) = counts.iter().enumerate().max_by_key(|(_, n)| **n)?;
    let next = counts.iter().enumerate().filter(|(n, _)| *n != best).map(|(_, n)| *n).max()?;
    (*most >= 3 && *most >= 2 * next).then(|| WORDS[best].0)
}

#[cfg(test)]
mod tests {
    use super::language;

    #[test]
    fn a_sentence_is_known_by_its_small_words() {
        for (expected, text) in [
            ("en", "I am still waiting for my card and it is the third week"),
            ("de", "Warum ist die Überweisung noch nicht angekommen?"),
            ("fr", "Je ne comprends pas pourquoi ma carte n’est pas encore arrivée."),
            ("es", "No puedo entrar en mi cuenta porque he olvidado la contraseña."),
            ("it", "Non riesco ad accedere al mio conto perché ho dimenticato la password."),
            ("pt", "Não consigo entrar na minha conta porque esqueci a senha."),
            ("nl", "Ik kan niet inloggen omdat ik mijn wachtwoord ben vergeten."),
            ("sv", "Jag kan inte logga in eftersom jag har glömt mitt lösenord."),
            ("fi", "En voi kirjautua, koska en muista salasanaani, mutta olen yrittänyt."),
            ("hu", "Nem tudok bejelentkezni, mert elfelejtettem a jelszavamat, és ez nagyon rossz."),
            ("ro", "Nu pot să mă conectez pentru că am uitat parola."),
            ("tr", "Giriş yapamıyorum çünkü şifremi unuttum ve bu çok kötü."),
            ("pl", "Nie mogę się zalogować, bo nie pamiętam hasła."),
        ] {
            assert_eq!(language(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_may_be_several_languages_is_none() {
        // Danish and Norwegian; a name; two languages in one text.
        for text in
            ["Jeg kan ikke se det på min side", "Pizza Hut Berlin Alexanderplatz", "I am here und ich bin nicht da: the card ist weg"]
        {
            assert_eq!(language(text), None, "{text}");
        }
    }
}
