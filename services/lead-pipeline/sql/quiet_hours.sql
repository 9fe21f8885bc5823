-- name: quiet_until
-- When the quiet hours end in which a moment lies; null: it lies in none. $1 is the zone, $2 and $3 are minutes of its day. By moments and not by what clocks show: in the night in which an hour
-- comes twice they end once. A zone that is none is New York's, as everywhere.
SELECT max(n.until) AS until
  FROM (SELECT CASE WHEN otto_moment('2000-01-01', $1::text) IS NULL THEN 'America/New_York' ELSE $1::text END AS zone) z
  CROSS JOIN LATERAL (SELECT otto_moment(day + make_interval(mins => $2::int), z.zone) AS since, otto_moment(day + make_interval(mins => $3::int + CASE WHEN $3::int <= $2::int THEN 1440 ELSE 0 END), z.zone) AS until
                        FROM (SELECT date_trunc('day', $4::timestamptz AT TIME ZONE z.zone) - d * interval '1 day' AS day FROM generate_series(0, 1) AS d) days) n
 WHERE n.since <= $4::timestamptz AND $4::timestamptz < n.until
