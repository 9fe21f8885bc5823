/** Frames of a stream: event, id, data; comments only say that it lives. */
export async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; id: string; data: string }> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let event = "";
  let id = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      let end = rest.indexOf("\n");
      while (end >= 0) {
        const line = rest.slice(0, end).replace(/\r$/, "");
        rest = rest.slice(end + 1);
        end = rest.indexOf("\n");
        if (line === "") {
          if (event || data.length > 0) yield { event: event || "message", id, data: data.join("\n") };
          event = "";
          data = [];
        } else if (line.startsWith(":")) {
          yield { event: "", id, data: "" };
        } else {
          const colon = line.indexOf(":");
          const name = colon < 0 ? line : line.slice(0, colon);
          const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
          if (name === "event") event = text;
          else if (name === "id") id = text;
          else if (name === "data") data.push(text);
        }
      }
    }
  } finally {
    reader.releaseLock();
  }
}
