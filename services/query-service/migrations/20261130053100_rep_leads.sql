-- A rep reads the texts of those with whom an own lead is: their cards are found by this, not by walking all leads of the company, or all of its texts until fifty are the rep's. Most leads are nobody's
-- when they are made, so it costs them nothing.
-- Locks: leads against writers for as long as it takes to read them once.
SET LOCAL lock_timeout = '30s';
CREATE INDEX leads_rep ON leads (company_id, assigned_rep_id, contact_card_id) WHERE assigned_rep_id IS NOT NULL;
