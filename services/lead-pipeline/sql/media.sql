-- name: media_of_message
SELECT provider, media FROM messages WHERE company_id = $1 AND id = $2::uuid

-- name: lock_media
SELECT provider, media FROM messages WHERE company_id = $1 AND id = $2::uuid FOR UPDATE

-- name: save_media
UPDATE messages SET media = $3::jsonb, version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), updated_at = now() WHERE company_id = $1 AND id = $2::uuid RETURNING version
