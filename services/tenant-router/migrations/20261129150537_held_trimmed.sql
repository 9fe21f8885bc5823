-- What only grows is removed by age: what was held and went on, what no key proves, what cannot be, and which company a provider's call went to. An index for each; that of provider_calls,
-- which has a row for every id of every call and is written in order of time, says of each range of pages from when it is.
-- Locks: both tables against writers while the indexes are made: seconds for millions of rows; Kafka keeps what comes meanwhile.
SET LOCAL lock_timeout = '5s';
CREATE INDEX held_events_released ON held_events (released_at) WHERE released_at IS NOT NULL;
CREATE INDEX held_events_unverified ON held_events (held_at) WHERE released_at IS NULL AND verdict = 'open';
CREATE INDEX held_events_conflicts ON held_events (held_at) WHERE released_at IS NULL AND verdict <> 'open' AND conflict;
CREATE INDEX provider_calls_seen ON provider_calls USING brin (seen_at) WITH (autosummarize = on);
