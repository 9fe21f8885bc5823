import { saveCsv } from "../api/csv";
import { count, define, say } from "../i18n";
import { dayOf, now } from "../lib/time";
import { useZone } from "../me";
import { Button, notice } from ".";

const words = define({
  en: {
    csv: "CSV",
    title: "These rows as a table, as they are filtered",
    not: "This list cannot be saved as a table yet.",
    most: (n: string) => `The table has the first ${n} rows.`,
  },
  es: {
    csv: "CSV",
    title: "Estas filas como tabla, con este filtro",
    not: "Esta lista aún no se puede guardar como tabla.",
    most: (n: string) => `La tabla tiene las primeras ${n} filas.`,
  },
});

/** The server ends a table there. */
const MOST = 100_000;

/** A list as a table: the same filters, the same order. */
export function Csv({
  path,
  filter,
  name,
  total,
}: {
  path: string;
  filter: Record<string, unknown>;
  name: string;
  total: number | undefined;
}) {
  const w = say(words);
  const zone = useZone();
  const save = async () => {
    try {
      const how = await saveCsv(path, filter, `${name}-${dayOf(now(), zone)}.csv`);
      if (how === "unknown") notice(w.not);
      else if (how === "more") notice(w.most(count(MOST)));
    } catch (e) {
      notice(e instanceof Error ? e.message : String(e));
    }
  };
  return (
    <Button look="plain" title={w.title} disabled={!total} onClick={() => void save()}>
      {w.csv}
    </Button>
  );
}
