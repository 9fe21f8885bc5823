-- What Kafka refuses for what it is (too large, no valid record) is set aside as a dead letter of the consumer that emitted it, so that what stands behind it goes on. `topic` is where it
-- was to go, and to redrive it is to put it into the outbox again; of every other dead letter `topic` is where the event came from.
-- Locks: dead_letters for a moment (a column with a constant default); it gives up rather than make lanes wait.
SET LOCAL lock_timeout = '5s';
ALTER TABLE dead_letters ADD COLUMN unpublished boolean NOT NULL DEFAULT false;
