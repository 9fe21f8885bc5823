-- An analysis or a correction that moves to another call is taken from the one and given to the other: until now the former call went on counting it.
-- No locks but on the function.
CREATE OR REPLACE FUNCTION call_facts_on_analysis() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.call_id <> NEW.call_id) THEN
    PERFORM call_facts_analysed(OLD.company_id, OLD.call_id);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM call_facts_analysed(NEW.company_id, NEW.call_id);
  END IF;
  RETURN NULL;
END $$;
