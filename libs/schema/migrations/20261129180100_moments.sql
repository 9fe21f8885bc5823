-- The moment at which the clocks of a zone show a time: the first of two when they are put back, the later one (as if they had not been moved) when they skip it. Postgres itself takes the second of the two.
-- NULL: there is no such zone. Postgres decides, for it is its zones in which the days of lists and figures are reckoned. No locks.
CREATE FUNCTION otto_moment(wall timestamp, zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
  later timestamptz;
  day_before timestamptz;
  unmoved timestamptz;  -- by the offset of the day before
BEGIN
  later := wall AT TIME ZONE zone;
  day_before := later - interval '24 hours';
  unmoved := (wall - (day_before AT TIME ZONE zone - day_before AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC';
  RETURN CASE WHEN unmoved < later AND unmoved AT TIME ZONE zone = wall THEN unmoved ELSE later END;
EXCEPTION WHEN invalid_parameter_value OR datetime_field_overflow THEN
  RETURN NULL;
END $$;
