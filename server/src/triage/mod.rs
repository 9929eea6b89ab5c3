//! Use cases of the inbox: status, tags, assignee, comments, bulk, history.
