-- A company's due calls, to be found beside another's thousands.
CREATE INDEX orchestrator_work_of_company ON orchestrator_work (company_id, due_at);
