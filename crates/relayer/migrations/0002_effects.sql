-- JSON: how the chain shows that the job's effect is there
ALTER TABLE jobs ADD COLUMN effect TEXT;
-- JSON: the state a job ends in once a self-transfer has used up its nonce
ALTER TABLE jobs ADD COLUMN ending TEXT;
-- what holds a pending job up, for people
ALTER TABLE jobs ADD COLUMN note TEXT;
-- 1 for a self-transfer that takes the place of the job's call
ALTER TABLE attempts ADD COLUMN cancels INTEGER NOT NULL DEFAULT 0;

-- Nonces of 2^40 and more came from nodes that lied: nothing signed for one is ever mined.
UPDATE jobs SET nonce = NULL, state = 'dropped', reason = '{"kind":"gap_closed"}'
    WHERE kind = 'gap' AND nonce >= 1099511627776;
UPDATE jobs SET nonce = NULL, state = 'queued', reason = NULL, receipt = NULL
    WHERE nonce >= 1099511627776;
