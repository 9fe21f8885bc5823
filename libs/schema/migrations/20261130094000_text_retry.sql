-- Operators may have texts looked at that are held up, on record as all that they do. Locks: the table of their own actions, for a moment.
ALTER TABLE operator_actions DROP CONSTRAINT operator_actions_action_check;
ALTER TABLE operator_actions ADD CONSTRAINT operator_actions_action_check CHECK (action IN ('held.release', 'dead_letter.edit', 'dead_letter.redrive', 'dead_letter.discard', 'text.retry'));
