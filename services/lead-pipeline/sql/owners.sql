-- name: users_of_emails
-- Of two users with one e-mail the first counts, always the same.
SELECT u.company_id, i.email, min(u.id) AS id FROM unnest($1::text[], $2::text[]) AS i (company_id, email)
  JOIN company_users u ON u.company_id = i.company_id AND lower(u.email) = lower(i.email) AND u.status <> 'removed' GROUP BY u.company_id, i.email
