//! The language of the inbox: `words "phrase" -not status:new score:<=6`.
