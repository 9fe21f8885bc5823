import { describe, expect, it } from "vitest";
import { addDays } from "../../lib/time";
import { read, write } from "../../lib/url";
import { fields, PRESETS, presetOf, spanOf } from "./filters";

describe("filters of calls", () => {
  it("stand in the address as a figure's link says them, and rubbish is dropped", () => {
    const asked = "?booking_status=not_booked&qualified=true&lead_quality=hot%2Cwarm&duration_min=60&ids=1%2C2";
    expect(read(fields, asked)).toEqual({
      booking_status: "not_booked",
      qualified: true,
      lead_quality: "hot,warm",
      duration_min: 60,
      ids: "1,2",
    });
    expect(read(fields, write(fields, read(fields, asked)))).toEqual(read(fields, asked));
    expect(read(fields, "?status=missed,evil&ids=1;2&duration_min=-1&answered=yes&direction=in")).toEqual({});
  });
  it("have spans of days that end today or before, through a year", () => {
    for (let n = 0; n < 366; n += 1) {
      const today = addDays("2027-02-27", n);
      for (const p of PRESETS) {
        const s = spanOf(p, today);
        expect(s.date_from <= s.date_to && s.date_to <= today).toBe(true);
        expect(presetOf(s, today)).toBeDefined();
      }
      expect(addDays(spanOf("last7", today).date_from, 6)).toBe(today);
    }
    expect(presetOf({}, "2027-02-27")).toBeUndefined();
  });
});
