-- name: text_pauses
SELECT p.company_id, p.why, p.credentials, p.until FROM text_pauses p WHERE p.company_id = ANY ($1::text[])

-- name: pause_texts
-- One row a company, however many of its texts wait.
INSERT INTO text_pauses AS p (company_id, why, credentials, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (company_id) DO UPDATE SET why = excluded.why, credentials = excluded.credentials, until = excluded.until

-- name: resume_texts
DELETE FROM text_pauses WHERE company_id = $1
