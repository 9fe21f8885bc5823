-- What is searched and compared is folded: small letters, no accents, one spelling for each character. Until now lower() alone did it, and a search for "jose" did not find José.
-- Twin of base's fold(); a test feeds both every character. By itself for each character, so that the fold of a part is part of the fold of the whole: lower() alone gives a sigma at a word's end
-- another form. Most texts are ASCII and cost what lower() does. IMMUTABLE, because indexes stand on it: `unaccent` is only STABLE for its rules are a file, which nobody changes beneath a
-- database; whoever does rebuilds the indexes. Names carry their schema, for pg_restore and ANALYZE have an empty search_path.
-- Locks: none.
CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;

CREATE FUNCTION otto_fold(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  IF octet_length(said) = char_length(said) THEN RETURN lower(said COLLATE "C"); END IF;
  RETURN replace(lower(public.unaccent('public.unaccent', normalize(said, NFKD)) COLLATE "und-x-icu"), 'ς', 'σ');
END $$;
