-- Rows of the outbox live for milliseconds: it is empty on average, and its indexes hold the dead rows of a minute. To the planner all of them look alike then, so each statement
-- gets one that it can use, and no other:
-- * What Kafka has is deleted by its ids. The lane's index held the id too, as its last column, and was taken for that at times: all of it was read for each single id, and
--   lead-pipeline did half of what it does.
-- * A timer is found by its name, in an index that begins with it.
-- Locks: `outbox` against writers for a moment; it gives up rather than make them wait.
SET LOCAL lock_timeout = '5s';
CREATE INDEX outbox_of_lane ON outbox (consumer, lane_topic, lane_partition);
DROP INDEX outbox_lane;
CREATE UNIQUE INDEX outbox_named ON outbox (replaces, consumer) WHERE replaces IS NOT NULL;
DROP INDEX outbox_replaces;
