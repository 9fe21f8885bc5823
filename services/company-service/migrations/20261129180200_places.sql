-- A company's zone is one of IANA's places, for people live at places. What Postgres knows besides are names of files ("localtime" is whatever its machine is set to, "posixrules", "posix/…", "right/…" with its
-- leap seconds, "Factory") and offsets that no clock on a wall follows ("EST5EDT", "Etc/GMT+7", "UTC"). A company that has a file's name gets the place that it stands for, else the default; one
-- that has an offset keeps it until somebody changes it. Locks: the rows of companies that are changed.
CREATE OR REPLACE FUNCTION is_time_zone(zone text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF zone !~ '^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Europe|Indian|Mexico|Pacific|US)/'
     AND zone NOT IN ('Cuba', 'Egypt', 'Eire', 'GB', 'GB-Eire', 'Hongkong', 'Iceland', 'Iran', 'Israel', 'Jamaica', 'Japan', 'Kwajalein', 'Libya', 'NZ', 'NZ-CHAT', 'Navajo', 'PRC', 'Poland', 'Portugal', 'ROC', 'ROK',
                      'Singapore', 'Turkey', 'W-SU') THEN
    RETURN false;
  END IF;
  PERFORM now() AT TIME ZONE zone;  -- refuses at once what most others are; the names themselves are a scan of 30 to 40 ms
  RETURN EXISTS (SELECT FROM pg_timezone_names WHERE name = zone);
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$;

UPDATE companies SET timezone = CASE WHEN is_time_zone(regexp_replace(timezone, '^(posix|right)/', '')) THEN regexp_replace(timezone, '^(posix|right)/', '') ELSE 'America/New_York' END
 WHERE timezone ~ '^(posix|right)/' OR timezone IN ('localtime', 'posixrules', 'Factory');
