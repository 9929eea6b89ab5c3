-- What a contact said: sought when their name or address changes, and before an anonymous one is forgotten.
CREATE INDEX feedback_contact ON feedback (contact_id);
CREATE INDEX responses_contact ON responses (contact_id);
