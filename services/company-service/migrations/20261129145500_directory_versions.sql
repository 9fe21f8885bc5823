-- A database that is restored, or that failed over with a loss, does not know how far the versions on otto.directory had risen, and readers drop what is not newer than what they have. So a version
-- is the moment of its change (ms), unless that is no step forward: what is written after a restore is above whatever was written before it, in any reader's memory or snapshot.
-- No locks that last.
CREATE OR REPLACE FUNCTION mark_directory_dirty(of_company text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO directory_state (company_id, version) VALUES (of_company, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
  ON CONFLICT (company_id) DO UPDATE SET version = greatest(directory_state.version + 1, excluded.version), dirty = true;
  SELECT pg_notify('otto_directory', '');
$$;
