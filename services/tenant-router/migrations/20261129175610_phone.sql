-- Numbers that the former e164() wrote in another way, or that nobody can call: seen ones are folded into the one that is meant, or go; what waits for one is looked at anew, and tells its
-- number, its reason and what may let it go on by itself (the releaser writes them where no `concerns` stand).
-- Locks: rows only, and few.
SET LOCAL lock_timeout = '5s';
INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at)
SELECT company_id, e164(e164), min(provider), min(first_seen_at), max(last_seen_at) FROM seen_numbers WHERE e164(e164) <> e164 GROUP BY company_id, e164(e164)
ON CONFLICT (company_id, e164) DO UPDATE SET last_seen_at = greatest(seen_numbers.last_seen_at, excluded.last_seen_at), first_seen_at = least(seen_numbers.first_seen_at, excluded.first_seen_at);
DELETE FROM seen_numbers WHERE e164(e164) IS DISTINCT FROM e164;
UPDATE held_events SET number = e164(number), concerns = NULL WHERE released_at IS NULL AND e164(number) <> number;
