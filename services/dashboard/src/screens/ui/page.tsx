import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Router } from "wouter";
import { Problem } from "../../api/client";
import { Bars, Chart, Funnel, Line, type Point, Spark } from "../../charts";
import {
  Avatar,
  Button,
  Dialog,
  Empty,
  Field,
  Icon,
  Menu,
  notice,
  ProblemNote,
  Rows,
  Segments,
  Select,
  Skeleton,
  Tag,
  Toasts,
  Words,
} from "../../ui";
import { type IconName, PATHS } from "../../ui/icon";
import { WordTag } from "../../ui/words";
import s from "./ui.module.css";

// Each primitive and each chart in each of its states, of development builds alone: what visual snapshots look at. No words of two
// languages here: nobody but who builds Otto sees it.

function Part({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <section class={s["part"]} aria-labelledby={`part-${name}`} data-part={name}>
      <h2 id={`part-${name}`}>{name}</h2>
      {children}
    </section>
  );
}

const percent = (v: number) => `${Math.round(v * 100)}%`;
const RATES = [0.63, 0.66, 0.71, null, 0.69, 0.7, 0.66, 0.72, null, 0.68, null, 0.74, 0.7, 0.73];
const points = (n: number, values: (number | null)[]): Point[] =>
  Array.from({ length: n }, (_, i) => {
    const value = values[i % values.length] ?? null;
    return {
      name: `Nov ${i + 1}`,
      value,
      before: i % 5 === 4 ? null : 0.6 + ((i * 7) % 9) / 100,
      bar: 20 + ((i * 13) % 31),
      href: `/calls?date_from=2026-11-${String(i + 1).padStart(2, "0")}`,
      few: i % 6 === 0,
      label: `Nov ${i + 1}: ${value === null ? "–" : percent(value)}`,
      said: <b>Nov {i + 1}</b>,
    };
  });
const numbers = (rows: { name: string; value: number }[]) => ({
  head: ["What", "Number"],
  rows: rows.map((r) => [{ text: r.name }, { text: String(r.value), href: "/calls", few: r.value < 10 }]),
});
const OBJECTIONS = [
  { key: "price", name: "Price", value: 81, href: "/calls" },
  { key: "spouse", name: "Wants to ask the spouse", value: 47, href: "/calls" },
  { key: "time", name: "Timing", value: 30, href: "/calls" },
  { key: "none", name: "Nothing of the kind", value: 0 },
];
const STEPS = [
  { key: "leads", name: "Leads", value: 1004, shown: "1,004", note: "new people", href: "/calls" },
  { key: "qualified", name: "Qualified", value: 619, note: "62% of leads", href: "/calls" },
  { key: "booked", name: "Booked", value: 421, note: "68%", href: "/calls" },
  { key: "visited", name: "Visited", value: 352, note: "31 no-shows", href: "/calls" },
  { key: "won", name: "Won", value: 46, note: "31% of decided", href: "/calls" },
];

function Charts() {
  const sets: [string, Point[]][] = [
    ["Line: a month, with gaps", points(30, RATES)],
    ["Line: one point", points(1, [0.68])],
    ["Line: four months of days", points(120, RATES)],
    ["Line: all the same", points(7, [0.5])],
  ];
  return (
    <>
      {sets.map(([title, set]) => (
        <div key={title} class={s["panel"]}>
          <Chart
            title={title}
            note="bars: calls"
            sentence="Booking rate by day, from 63 to 74 per cent."
            table={{
              head: ["Day", "Rate"],
              rows: set.map((p) => [{ text: p.name }, { text: p.value === null ? "–" : percent(p.value), few: p.few ?? false }]),
            }}
          >
            <Line points={set} format={percent} />
          </Chart>
        </div>
      ))}
      <div class={s["two"]}>
        <div class={s["panel"]}>
          <Chart title="Bars" note="198 calls" sentence="Most often price." table={numbers(OBJECTIONS)}>
            <Bars bars={OBJECTIONS} tone="warn" />
          </Chart>
        </div>
        <div class={s["panel"]}>
          <Chart title="Bars without a tone" sentence="Most often price." table={numbers(OBJECTIONS)}>
            <Bars bars={OBJECTIONS} />
          </Chart>
        </div>
        <div class={s["panel"]}>
          <Chart title="Funnel" sentence="1,004 leads, 46 won." table={numbers(STEPS)}>
            <Funnel steps={STEPS} />
          </Chart>
        </div>
        <div class={s["panel"]}>
          <Chart title="Funnel of nothing" sentence="No leads." table={numbers(STEPS.map((x) => ({ ...x, value: 0 })))}>
            <Funnel steps={STEPS.map((x) => ({ ...x, value: 0, shown: "0" }))} />
          </Chart>
        </div>
      </div>
      <div class={s["row"]}>
        <Spark values={RATES} sentence="From 63 to 73 per cent" />
        <Spark values={[1, 1, 1]} sentence="All the same" />
        <Spark values={[null, 2, null]} sentence="One alone" />
      </div>
    </>
  );
}

export default function EachInEachState() {
  const [theme, setTheme] = useState<"light" | "dark">(document.documentElement.dataset["theme"] === "dark" ? "dark" : "light");
  const [seg, setSeg] = useState<"a" | "b">("a");
  const [open, setOpen] = useState(false);
  document.documentElement.dataset["theme"] = theme;
  return (
    <Router base="/app">
      <main class={s["page"]}>
        <h1>
          Each primitive in each state
          <Segments
            label="Theme"
            value={theme}
            options={[
              { value: "light", label: "Light" },
              { value: "dark", label: "Dark" },
            ]}
            onChange={setTheme}
          />
        </h1>
        <Part name="Button">
          <div class={s["row"]}>
            <Button>Save</Button>
            <Button look="primary">Save</Button>
            <Button look="plain">Cancel</Button>
            <Button big>Save</Button>
            <Button look="primary" big>
              Save
            </Button>
            <Button disabled>Save</Button>
            <Button look="primary" disabled>
              Save
            </Button>
            <Button>
              <Icon name="call" /> Call
            </Button>
          </div>
        </Part>
        <Part name="Tag">
          <div class={s["row"]}>
            <Tag>Plain</Tag>
            {(["good", "bad", "warn", "plum", "blue"] as const).map((t) => (
              <Tag key={t} tone={t}>
                {t}
              </Tag>
            ))}
            <WordTag word="booked" names={{ booked: "Booked" }} />
            <WordTag word="a_new_word" names={{}} />
            <Avatar name="Maria Lopez" />
            <Avatar name={null} />
          </div>
        </Part>
        <Part name="Icon">
          <div class={s["row"]}>
            {(Object.keys(PATHS) as IconName[]).map((name) => (
              <span key={name} title={name}>
                <Icon name={name} />
              </span>
            ))}
          </div>
        </Part>
        <Part name="Words">
          <p>
            <Words>{"Zoë \u202eevil\u202c משה <b>x</b> 🏠"}</Words>
          </p>
        </Part>
        <Part name="Field">
          <div class={s["two"]}>
            <Field label="Name">{(a) => <input {...a} defaultValue="Maria" />}</Field>
            <Field label="Phone" error="is no phone number">
              {(a) => <input {...a} defaultValue="12" />}
            </Field>
            <Field label="Note">{(a) => <textarea {...a} rows={2} />}</Field>
            <Field label="Off">{(a) => <input {...a} disabled defaultValue="cannot be changed" />}</Field>
          </div>
        </Part>
        <Part name="Select and Segments">
          <div class={s["row"]}>
            <Select
              label="Status"
              value=""
              options={[
                { value: "", label: "Any status" },
                { value: "missed", label: "Missed" },
              ]}
              onChange={() => {}}
            />
            <Segments
              label="Which"
              value={seg}
              options={[
                { value: "a", label: "Company" },
                { value: "b", label: "Calls" },
              ]}
              onChange={setSeg}
            />
          </div>
        </Part>
        <Part name="Menu, Dialog and Toast">
          <div class={s["row"]}>
            <Menu
              label="More"
              items={[
                { label: "Assign", onPick: () => {} },
                { label: "Erase", onPick: () => {}, disabled: true },
              ]}
            >
              <Icon name="more" />
            </Menu>
            <Button onClick={() => setOpen(true)}>Open the dialog</Button>
            <Button onClick={() => notice("Snoozed until tomorrow 8:00.", { label: "Undo", act: () => {} })}>Say something</Button>
          </div>
          <Dialog
            open={open}
            title="Close this one?"
            onClose={() => setOpen(false)}
            foot={
              <Button look="primary" onClick={() => setOpen(false)}>
                Close it
              </Button>
            }
          >
            <p>He will not be in the queue any more.</p>
          </Dialog>
        </Part>
        <Part name="Empty, Skeleton and Problem">
          <div class={s["panel"]}>
            <Empty title="Nobody waits.">7 closed by themselves today.</Empty>
          </div>
          <div class={s["panel"]}>
            <Skeleton rows={3} />
          </div>
          <ProblemNote error={new Error("Something broke here.")} />
          <ProblemNote
            error={new Problem(503, { detail: "The database does not answer.", request_id: "0196-req" }, new Headers())}
            retry={() => {}}
          />
        </Part>
        <Part name="Rows">
          <div class={s["rows"]}>
            <Rows
              items={Array.from({ length: 10_000 }, (_, i) => i)}
              height={44}
              label="Numbers"
              row={(n) => <a href={`#${n}`}>Row {n + 1}</a>}
              keyOf={(n) => n}
            />
          </div>
        </Part>
        <Part name="Charts">
          <Charts />
        </Part>
      </main>
      <Toasts />
    </Router>
  );
}
