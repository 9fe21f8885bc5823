-- A search means what people type: each word must stand somewhere in the row, in any order; numbers in any spelling or a part of their digits; letters as otto_fold makes them. Until now the whole
-- text had to stand in one piece, so "lopez maria" and "(623) 555-0123" found nothing; appointments and tasks had no search.
-- What is searched of a row is kept beside it (`search_text`), for to make it anew for each row that is looked at costs more than the row. Only calls have none: most of them hold nothing of their own,
-- for the customer's number is on the card and the numbers that are called are few for each company; their index holds those with a note, tags, or a number that is none, and 10 µs less a call that comes.
-- As before a function runs as otto_search, which is behind no wall, reads only what is searched and cannot log in; it has the wall in its own text and hands out nothing but ids.
-- Locks: `contact_cards`, `leads`, `appointments` and `tasks` altogether while each is written anew and indexed, half a minute for a million rows; `calls` against writers while they are indexed.
SET LOCAL lock_timeout = '30s';

DROP FUNCTION calls_found(text, text, integer), leads_found(text, integer), contacts_found(text, integer);
DROP INDEX calls_search, contact_cards_search, leads_search;
DROP FUNCTION call_search_text(text, text, text), contact_search_text(text, text, text, text);

-- A text as it is searched: folded, without apostrophes (O'Brien is found as obrien), a space before each word that begins; behind it once more with its numbers in one piece, for they are searched by digits.
-- What stands beyond 4,000 letters is not found. Names carry their schema: pg_restore and ANALYZE have an empty search_path.
CREATE FUNCTION search_words(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  words text := ' ' || translate(public.otto_fold(left(said, 4000)), E'\n\r\t''`', '   ');
BEGIN
  IF words ~ '[0-9][-. ()/]+[0-9]' THEN
    words := words || regexp_replace(words, '([0-9])[-. ()/]+(?=[0-9])', '\1', 'g');
  END IF;
  RETURN coalesce(words, '');
END $$;
-- A telephone number by its digits, with its country's and without.
CREATE FUNCTION search_number(number text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN number LIKE '+1%' THEN ' ' || substr(number, 2) || ' ' || substr(number, 3) WHEN number LIKE '+%' THEN ' ' || substr(number, 2) ELSE public.search_words(left(number, 200)) END $$;
-- Of a call what is its own: a note, tags, and a number that is none.
CREATE FUNCTION call_search_text(phone_number text, tracking_number text, note text, tags text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN public.search_words(CASE WHEN phone_number NOT LIKE '+%' THEN left(phone_number, 200) || ' ' ELSE '' END || CASE WHEN tracking_number NOT LIKE '+%' THEN left(tracking_number, 200) || ' ' ELSE '' END ||
                             left(array_to_string(tags[1:50], ' '), 1000) || ' ' || coalesce(left(note, 4000), ''));
END $$;

ALTER TABLE contact_cards ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS
  (search_words(coalesce(left(first_name, 200), '') || ' ' || coalesce(left(last_name, 200), '') || ' ' || coalesce(left(address, 400), '') || ' ' || coalesce(left(city, 200), '') || ' ' || coalesce(left(state, 200), '')) ||
   search_number(primary_phone)) STORED;
ALTER TABLE leads ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (search_words(left(source, 200))) STORED;
ALTER TABLE appointments ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS
  (search_words(coalesce(left(location_address, 400), '') || ' ' || coalesce(left(service_type, 200), '') || ' ' || coalesce(left(notes, 3000), ''))) STORED;
ALTER TABLE tasks ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (search_words(left(description, 2000) || ' ' || coalesce(left(raw_text, 2000), ''))) STORED;

-- The company stands in the indexes as an expression, so that no other index looks as good for a company that is newer than the statistics.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['contact_cards', 'leads', 'appointments', 'tasks'] LOOP
    EXECUTE format('CREATE INDEX %I ON %I USING gin ((company_id || ''''), search_text gin_trgm_ops) WITH (gin_pending_list_limit = 256)', name || '_search', name);
    EXECUTE format('GRANT SELECT (company_id, id, search_text, created_at) ON %I TO otto_search', name);
    IF name <> 'contact_cards' THEN
      EXECUTE format('GRANT SELECT (contact_card_id) ON %I TO otto_search', name);
    END IF;
  END LOOP;
END $$;
CREATE INDEX calls_search ON calls USING gin ((company_id || ''), call_search_text(phone_number, tracking_number, note, tags) gin_trgm_ops) WITH (gin_pending_list_limit = 256)
 WHERE note IS NOT NULL OR tags <> '{}' OR phone_number NOT LIKE '+%' OR tracking_number NOT LIKE '+%';
CREATE INDEX calls_tracking ON calls ((company_id || ''), left(tracking_number, 20));
GRANT SELECT (tags, created_at) ON calls TO otto_search;
REVOKE SELECT (first_name, last_name, primary_phone, city) ON contact_cards FROM otto_search;
REVOKE SELECT (source) ON leads FROM otto_search;

-- A condition of a statement's text: that something holds each of some words (' AND '), or one of them (' OR ').
CREATE FUNCTION search_holds(told text, words text[], how text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT '(' || string_agg(format('%s LIKE %L', told, word), how) || ')' FROM unnest(words) word $$;

-- The ids of the rows of one of the request's company's lists that hold all of some words, as LIKE patterns, the longest first; at most so many. `whole`: a provider's id of a call.
-- A row holds a word in its own texts or on its card. What most rows hold is found along the list, sooner than an index has gathered them all. Else rows are looked for from where words are rare: cards
-- with all words; own texts with all; and, where some words stand here and some there, from the rows whose own texts hold one that few do, else from the cards that hold every other.
-- No step finds more than was asked for, and none follows one that did.
CREATE FUNCTION search_found(list text, words text[], whole text, most integer) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_sort = off SET enable_memoize = off SET max_parallel_workers_per_gather = 0 SET work_mem = '16MB' AS $$
DECLARE
  few      CONSTANT integer := 2000;
  company  text := otto_request_company();
  calls    boolean := list = 'calls';
  contacts boolean := list = 'contacts';
  tab      text := CASE WHEN contacts THEN 'contact_cards' ELSE list END;
  key      text := CASE WHEN calls THEN 'call_id' ELSE 'id' END;
  texts    text := CASE WHEN calls THEN 'phone_number, tracking_number, note, tags' ELSE 'search_text' END || CASE WHEN contacts THEN '' ELSE ', contact_card_id' END;
  -- What the index of the list's own texts holds, of which rows it holds it, and all own texts of a row.
  own      text := CASE WHEN calls THEN 'call_search_text(r.phone_number, r.tracking_number, r.note, r.tags)' ELSE 'r.search_text' END;
  held     text := CASE WHEN calls THEN '(r.note IS NOT NULL OR r.tags <> ''{}'' OR r.phone_number NOT LIKE ''+%'' OR r.tracking_number NOT LIKE ''+%'') AND ' ELSE '' END;
  told     text := own || CASE WHEN calls THEN ' || search_number(r.tracking_number)' ELSE '' END;
  card     text := CASE WHEN contacts THEN '' ELSE 'LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = r.company_id AND id = r.contact_card_id LIMIT 1) k ON true' END;
  of_own   text := format('SELECT r.%I::text FROM %I r WHERE (r.company_id || '''') = $1 AND ', key, tab) || replace(held, '%', '%%') || '%s LIMIT $3';
  of_cards text := format('SELECT r.%I::text FROM contact_cards k CROSS JOIN LATERAL (SELECT %I, %s FROM %I WHERE company_id = k.company_id AND contact_card_id = k.id LIMIT $3) r
                            WHERE (k.company_id || '''') = $1 AND %%s LIMIT $3', key, key, texts, tab);
  along    text := format('FROM (SELECT company_id, %I, %s FROM %I WHERE company_id = (SELECT $1) ORDER BY created_at DESC, %I DESC LIMIT $4) r %s WHERE %s LIKE ALL ($2)', key, texts, tab, key, card,
                          CASE WHEN contacts THEN 'r.search_text' WHEN calls THEN 'k.search_text' ELSE '(r.search_text || coalesce(k.search_text, ''''))' END);
  numbers  text[] := '{}';
  common   text[] := words[9:];
  hits     integer;  sample integer;  ids text[];  near text[];  word text;
BEGIN
  FOREACH sample IN ARRAY ARRAY[40, 400, 2000] LOOP
    EXECUTE 'SELECT count(*) ' || along INTO hits USING company, words, most, sample;
    EXIT WHEN hits < sample * 0.7;
  END LOOP;
  IF hits >= 1400 THEN
    EXECUTE format('SELECT ARRAY(SELECT r.%I::text %s LIMIT $3)', key, along) INTO ids USING company, words, most, most * 3 / 2;
    IF cardinality(ids) >= most THEN RETURN ids; END IF;
  END IF;
  IF contacts THEN
    EXECUTE format('SELECT ARRAY(%s)', format(of_own, search_holds(own, words, ' AND '))) INTO ids USING company, words, most;
    RETURN ids;
  END IF;
  EXECUTE format('SELECT ARRAY(%s)', format(of_cards, search_holds('k.search_text', words, ' AND '))) INTO ids USING company, words, most;
  IF cardinality(ids) >= most THEN RETURN ids; END IF;
  EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_own, search_holds(own, words, ' AND '))) INTO ids USING company, words, most, ids;
  IF calls THEN
    IF EXISTS (SELECT FROM unnest(words) w WHERE w ~ '[0-9]') THEN
      numbers := ARRAY(WITH RECURSIVE each_one (number) AS (
        (SELECT left(c.tracking_number, 20) FROM calls c WHERE (c.company_id || '') = company ORDER BY left(c.tracking_number, 20) LIMIT 1) UNION ALL
        SELECT (SELECT left(c.tracking_number, 20) FROM calls c WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) > e.number ORDER BY left(c.tracking_number, 20) LIMIT 1)
          FROM each_one e WHERE e.number IS NOT NULL)
        SELECT e.number FROM each_one e WHERE EXISTS (SELECT FROM unnest(words) w WHERE search_number(e.number) LIKE w));
    END IF;
    ids := ARRAY(SELECT unnest(ids) UNION
                 (SELECT c.call_id::text FROM calls c WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) = ANY (ARRAY(SELECT n FROM unnest(numbers) n WHERE search_number(n) LIKE ALL (words))) LIMIT most) UNION
                 (SELECT c.call_id::text FROM calls c WHERE c.company_id = company AND c.provider IN ('callrail', 'twilio') AND c.provider_call_id = whole) LIMIT most);
  END IF;
  IF cardinality(ids) >= most OR cardinality(words) = 1 THEN RETURN ids; END IF;

  -- Some words here, some there: what is found from one of them counts if it holds all.
  FOREACH word IN ARRAY words[:8] LOOP
    EXECUTE format('SELECT ARRAY(%s)', format(of_own, search_holds(own, ARRAY[word], ''))) INTO near USING company, words, few + 1;
    IF numbers <> '{}' AND cardinality(near) <= few THEN
      near := near || ARRAY(SELECT c.call_id::text FROM calls c
                             WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) = ANY (ARRAY(SELECT n FROM unnest(numbers) n WHERE search_number(n) LIKE word)) LIMIT few + 1);
    END IF;
    IF cardinality(near) > few THEN
      common := common || word;
    ELSIF near <> '{}' THEN
      EXECUTE format('SELECT ARRAY(SELECT unnest($3) UNION SELECT r.%I::text FROM %I r %s WHERE r.company_id = $1 AND r.%I = ANY ($4::%s[]) AND (%s || coalesce(k.search_text, '''')) LIKE ALL ($2))',
                     key, tab, card, key, CASE WHEN calls THEN 'bigint' ELSE 'uuid' END, told)
        INTO ids USING company, words, ids, near;
    END IF;
  END LOOP;
  IF common = '{}' THEN RETURN ids[:most]; END IF;
  -- What is not found yet holds none of the rare words itself, so its card holds them all. Without a rare word its card holds one of them; or none, and then a note and the called number hold all.
  near := ARRAY(SELECT w FROM unnest(words) w WHERE w <> ALL (common));
  word := CASE near WHEN '{}' THEN search_holds('k.search_text', words, ' OR ') ELSE search_holds('k.search_text', near, ' AND ') END;
  EXECUTE format('SELECT count(*) FROM (SELECT FROM contact_cards k WHERE (k.company_id || '''') = $1 AND %s LIMIT $2) x', word) INTO hits USING company, few + 1;
  IF numbers = '{}' AND hits > few THEN
    -- There are many such cards. But a row holds a common word itself, too: both are gathered and joined, in whichever way is less work.
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (SELECT r.%I::text FROM %I r JOIN contact_cards k ON k.company_id = r.company_id AND k.id = r.contact_card_id
                     WHERE (r.company_id || '''') = $1 AND (k.company_id || '''') = $1 AND %s %s AND %s AND (%s || k.search_text) LIKE ALL ($2) LIMIT $3) LIMIT $3)',
                   key, tab, held, search_holds(own, common, ' OR '), word, told)
      INTO ids USING company, words, most, ids;
    RETURN ids;
  END IF;
  EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_cards, format('%s AND (%s || k.search_text) LIKE ALL ($2)', word, told))) INTO ids USING company, words, most, ids;
  IF near = '{}' AND numbers <> '{}' AND cardinality(ids) < most THEN
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_own, format('%s AND (%s) LIKE ALL ($2)', search_holds(own, words, ' OR '), told))) INTO ids USING company, words, most, ids;
  END IF;
  RETURN ids;
END $$;
REVOKE EXECUTE ON FUNCTION search_found(text, text[], text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_found(text, text[], text, integer) TO otto_query_service, otto_search;
-- A new owner must be able to create in the schema at that moment (a superuser may give away without).
GRANT CREATE ON SCHEMA public TO otto_search;
ALTER FUNCTION search_found(text, text[], text, integer) OWNER TO otto_search;
REVOKE CREATE ON SCHEMA public FROM otto_search;
