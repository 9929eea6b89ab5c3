-- Each index is a B-tree that a new response is put into; these were not worth it.

-- Answers are found by their response, in every query that there is.
DROP INDEX answers_question;
-- Versions and surveys are never removed, and nothing is looked up by them alone.
DROP INDEX responses_version;
DROP INDEX feedback_survey;
