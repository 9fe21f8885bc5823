-- How sure it is that a number is its company's. 'unproven': the company says so; 'proven': a webhook that its key signed came for it; 'final': the provider's own list under the company's
-- credentials has it, or a key that the provider's API gave signed for it. What routed until now goes on as proven. And whether the key that was replaced had been typed in by a person: of
-- those that are there nobody knows, so they pass for typed in.
-- Locks: both tables for a moment, no rewrite (constant defaults).
ALTER TABLE company_numbers ADD COLUMN standing text NOT NULL DEFAULT 'proven' CHECK (standing IN ('unproven', 'proven', 'final'));
ALTER TABLE company_numbers ALTER COLUMN standing SET DEFAULT 'unproven';
ALTER TABLE companies ADD COLUMN callrail_signing_key_former_explicit boolean NOT NULL DEFAULT true;
UPDATE directory_state SET version = version + 1, dirty = true;
