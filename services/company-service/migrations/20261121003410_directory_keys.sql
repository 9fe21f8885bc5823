-- A company's record in otto.directory also holds its CallRail API key (sealed) and its workflow_config: every company is published again, under a higher version, since
-- readers drop what they know. Locks: rows of directory_state for a moment.
UPDATE directory_state SET version = version + 1, dirty = true;
