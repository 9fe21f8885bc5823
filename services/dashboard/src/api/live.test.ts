import { describe, expect, it } from "vitest";
import { frames } from "./frames";

function streamOf(text: string, cut: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(c) {
      if (at >= bytes.length) return c.close();
      c.enqueue(bytes.slice(at, at + cut));
      at += cut;
    },
  });
}

describe("frames of a stream", () => {
  it("are the same however they are cut", async () => {
    const text =
      'event: hello\nid: 3.7\ndata: {"resumed":false}\n\n: alive\n\nevent: change\r\nid: 3.8\r\ndata: {"kind":"call","id":"é🏠"}\r\n\r\n';
    for (let cut = 1; cut <= text.length; cut += 1) {
      const seen = [];
      for await (const f of frames(streamOf(text, cut))) if (f.event) seen.push(f);
      expect(seen).toEqual([
        { event: "hello", id: "3.7", data: '{"resumed":false}' },
        { event: "change", id: "3.8", data: '{"kind":"call","id":"é🏠"}' },
      ]);
    }
  });
});
