-- What the database consists of, as statements that would make it: libs/schema/schema.sql. One column, a line or a whole statement a row.
WITH ours AS (
  SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relacl, c.relowner
    FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
), columns AS (
  SELECT a.attrelid, a.attnum::int AS n,
         format('  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation AND l.collname IS NOT NULL THEN format(' COLLATE %I', l.collname) END,
                CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                     WHEN a.attidentity <> '' THEN format(' GENERATED %s AS IDENTITY', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END)
                     WHEN d.adbin IS NOT NULL THEN format(' DEFAULT %s', pg_get_expr(d.adbin, d.adrelid)) END,
                CASE WHEN a.attnotnull THEN ' NOT NULL' END) AS line
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_collation l ON l.oid = a.attcollation
   WHERE a.attnum > 0 AND NOT a.attisdropped
), constraints AS (
  SELECT conrelid AS attrelid, 10000 + (row_number() OVER (PARTITION BY conrelid ORDER BY contype <> 'p', conname))::int AS n, format('  CONSTRAINT %I %s', conname, pg_get_constraintdef(oid, true)) AS line
    FROM pg_constraint WHERE contype <> 't'
), grants AS (  -- of tables, columns and sequences, to others than their owner
  SELECT c.oid, 0 AS n, acl.grantee, string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type) AS what
    FROM pg_class c, aclexplode(c.relacl) acl WHERE acl.grantee <> c.relowner GROUP BY 1, 3
  UNION ALL
  SELECT c.oid, 1, acl.grantee, format('%s (%s)', acl.privilege_type, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) acl WHERE acl.grantee <> c.relowner GROUP BY c.oid, acl.grantee, acl.privilege_type
), routines AS (
  SELECT p.oid, p.proname, p.proowner, p.proacl, pg_get_function_identity_arguments(p.oid) AS arguments
    FROM pg_proc p
   WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p') AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.objid = p.oid AND x.classid = 'pg_proc'::regclass AND x.deptype = 'e')
), lines (section, name, part, key, line) AS (
  SELECT 1, '', 0, extname::text, format('CREATE EXTENSION %I;', extname) FROM pg_extension WHERE extname <> 'plpgsql'
  UNION ALL
  SELECT 1, rolname::text, 1, '', format('CREATE ROLE %I %s%s;', rolname, CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, concat(CASE WHEN rolsuper THEN ' SUPERUSER' END, CASE WHEN rolbypassrls THEN ' BYPASSRLS' END,
         CASE WHEN rolcreaterole THEN ' CREATEROLE' END, CASE WHEN rolcreatedb THEN ' CREATEDB' END))
    FROM pg_roles WHERE rolname LIKE 'otto\_%'
  UNION ALL
  SELECT 1, m.rolname::text, 2, g.rolname::text, format('GRANT %I TO %I;', g.rolname, m.rolname)
    FROM pg_auth_members x JOIN pg_roles g ON g.oid = x.roleid JOIN pg_roles m ON m.oid = x.member WHERE g.rolname LIKE 'otto\_%' OR m.rolname LIKE 'otto\_%'
  UNION ALL
  SELECT 1, r.rolname::text, 3, setting, format('ALTER ROLE %I IN DATABASE otto SET %s = %L;', r.rolname, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) setting WHERE d.datname = current_database()
  UNION ALL
  SELECT 2, '', 0, coalesce(g.rolname, 'PUBLIC'), format('GRANT %s ON DATABASE otto TO %s;', string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type), coalesce(quote_ident(g.rolname), 'PUBLIC'))
    FROM pg_database d, aclexplode(d.datacl) acl LEFT JOIN pg_roles g ON g.oid = acl.grantee WHERE d.datname = current_database() AND acl.grantee <> d.datdba GROUP BY g.rolname
  UNION ALL
  SELECT 2, 'public', 1, coalesce(g.rolname, 'PUBLIC'), format('GRANT %s ON SCHEMA public TO %s;', string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type), coalesce(quote_ident(g.rolname), 'PUBLIC'))
    FROM pg_namespace n, aclexplode(n.nspacl) acl LEFT JOIN pg_roles g ON g.oid = acl.grantee WHERE n.nspname = 'public' AND acl.grantee <> n.nspowner GROUP BY g.rolname
  UNION ALL  -- what of Postgres's own is not everybody's
  SELECT 2, 'public', 2, p.oid::regprocedure::text, format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM PUBLIC;', p.oid::regprocedure)
    FROM pg_proc p LEFT JOIN pg_init_privs i ON i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass
   WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS NOT NULL AND p.proacl IS DISTINCT FROM i.initprivs AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) acl WHERE acl.grantee = 0)
  UNION ALL
  SELECT 2, 'public', 3, p.oid::regprocedure::text || g.rolname, format('GRANT EXECUTE ON FUNCTION pg_catalog.%s TO %I;', p.oid::regprocedure, g.rolname)
    FROM pg_proc p, aclexplode(p.proacl) acl JOIN pg_roles g ON g.oid = acl.grantee WHERE p.pronamespace = 'pg_catalog'::regnamespace AND g.rolname LIKE 'otto\_%'
  UNION ALL
  SELECT 3, proname::text, 0, arguments, E'\n' || btrim(pg_get_functiondef(oid), E'\n') || ';' FROM routines
  UNION ALL
  SELECT 3, proname::text, 0, arguments || ' 1', format('ALTER FUNCTION %I(%s) OWNER TO %I;', proname, arguments, o.rolname) FROM routines r JOIN pg_roles o ON o.oid = r.proowner WHERE o.rolname <> current_user
  UNION ALL
  SELECT 3, proname::text, 0, arguments || ' 2', format('REVOKE EXECUTE ON FUNCTION %I(%s) FROM PUBLIC;', proname, arguments)
    FROM routines r WHERE proacl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(proacl) acl WHERE acl.grantee = 0)
  UNION ALL
  SELECT 3, proname::text, 0, arguments || ' 3' || g.rolname, format('GRANT EXECUTE ON FUNCTION %I(%s) TO %I;', proname, arguments, g.rolname)
    FROM routines r, aclexplode(proacl) acl JOIN pg_roles g ON g.oid = acl.grantee WHERE acl.grantee <> r.proowner
  UNION ALL
  SELECT 4, s.relname::text, 0, '', format(E'\nCREATE SEQUENCE %I;', s.relname)
    FROM pg_class s WHERE s.relnamespace = 'public'::regnamespace AND s.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = s.oid AND d.deptype IN ('i', 'a'))
  UNION ALL
  SELECT 4, s.relname::text, 1, g.grantee::regrole::text, format('GRANT %s ON SEQUENCE %I TO %s;', g.what, s.relname, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END)
    FROM pg_class s JOIN grants g ON g.oid = s.oid LEFT JOIN pg_roles r ON r.oid = g.grantee WHERE s.relnamespace = 'public'::regnamespace AND s.relkind = 'S'
  UNION ALL
  SELECT 5, t.relname::text, 0, '', format(E'\nCREATE TABLE %I (\n%s\n);', t.relname, string_agg(c.line, E',\n' ORDER BY c.n))
    FROM ours t JOIN (TABLE columns UNION ALL TABLE constraints) c ON c.attrelid = t.oid WHERE t.relkind IN ('r', 'p') GROUP BY t.relname
  UNION ALL
  SELECT 6, t.relname::text, 0, '', format(E'\nCREATE %sVIEW %I AS\n%s', CASE t.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, t.relname, pg_get_viewdef(t.oid, true)) FROM ours t WHERE t.relkind IN ('v', 'm')
  UNION ALL
  SELECT CASE WHEN t.relkind IN ('v', 'm') THEN 6 ELSE 5 END, t.relname::text, 1, '', format('ALTER %s %I SET (%s);', CASE t.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, t.relname, array_to_string(t.reloptions, ', '))
    FROM ours t WHERE t.reloptions IS NOT NULL
  UNION ALL
  SELECT 5, t.relname::text, 2, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid, 0, true) || ';'
    FROM ours t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT EXISTS (SELECT FROM pg_constraint x WHERE x.conindid = i.indexrelid AND x.contype IN ('p', 'u', 'x'))
  UNION ALL
  SELECT 5, t.relname::text, 3, s.stxname::text, pg_get_statisticsobjdef(s.oid) || ';' FROM ours t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
  UNION ALL
  SELECT 5, t.relname::text, 4, '', format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY%s;', t.relname, CASE WHEN t.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' END) FROM ours t WHERE t.relrowsecurity
  UNION ALL
  SELECT 5, p.tablename::text, 5, p.policyname::text, format('CREATE POLICY %I ON %I%s%s TO %s%s%s;', p.policyname, p.tablename, CASE p.permissive WHEN 'RESTRICTIVE' THEN ' AS RESTRICTIVE' END,
         CASE p.cmd WHEN 'ALL' THEN '' ELSE ' FOR ' || p.cmd END, array_to_string(p.roles, ', '), ' USING (' || p.qual || ')', ' WITH CHECK (' || p.with_check || ')')
    FROM pg_policies p WHERE p.schemaname = 'public'
  UNION ALL
  SELECT CASE WHEN t.relkind IN ('v', 'm') THEN 6 ELSE 5 END, t.relname::text, 6, format('%s %s %s', coalesce(r.rolname, ''), g.n, g.what), format('GRANT %s ON %I TO %s;', g.what, t.relname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
    FROM ours t JOIN grants g ON g.oid = t.oid LEFT JOIN pg_roles r ON r.oid = g.grantee
  UNION ALL
  SELECT 5, t.relname::text, 7, g.tgname::text, pg_get_triggerdef(g.oid, true) || ';' || CASE g.tgenabled WHEN 'O' THEN '' ELSE '  -- ' || g.tgenabled::text END FROM ours t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
)
SELECT line AS v FROM lines ORDER BY section, name COLLATE "C", part, key COLLATE "C"
