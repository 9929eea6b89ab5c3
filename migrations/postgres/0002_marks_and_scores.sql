-- Where the change sequence ended at a time: what lies before an old mark is pruned. The index of a node that is behind is built again.
CREATE TABLE change_marks (
    at BIGINT PRIMARY KEY,
    tx BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- 1: everything before this place is gone.
    pruned BIGINT NOT NULL
);

-- A score alone is no longer kept as a text ("9 / 10"): a search for 10 found every answer to such a question.
UPDATE feedback SET text = ''
WHERE kind = 'survey_response' AND score IS NOT NULL AND score_max IS NOT NULL
    AND text = CAST(CAST(score AS BIGINT) AS TEXT) || ' / ' || CAST(CAST(score_max AS BIGINT) AS TEXT)
    -- Unless somebody wrote just that.
    AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.response_id = feedback.response_id AND a.value LIKE '%' || feedback.text || '%');
