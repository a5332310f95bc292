// Failures in full and one closing line of counts, for node:test.

// oxlint-disable-next-line import/no-default-export -- node:test loads a reporter's default export
export default async function* summary(source) {
  const counts = { pass: 0, fail: 0, skipped: 0 };
  const failures = [];
  const notes = [];
  for await (const event of source) {
    const { data } = event;
    if (event.type === "test:diagnostic" && data.nesting > 0) notes.push(data.message);
    if (event.type === "test:diagnostic" && data.message.startsWith('{"scenario"')) notes.push(data.message);
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    if (data.details?.type === "suite") continue;
    if (data.skip !== undefined) {
      counts.skipped += 1;
      notes.push(`skipped: ${data.name}${typeof data.skip === "string" ? ` (${data.skip})` : ""}`);
    } else if (event.type === "test:pass") counts.pass += 1;
    else {
      counts.fail += 1;
      const error = data.details?.error;
      failures.push(`✖ ${data.file ?? ""}\n  ${data.name}\n  ${error?.cause?.stack ?? error?.message ?? error}`);
    }
  }
  yield `\n${[...new Set(notes)].join("\n")}\n`;
  yield failures.length === 0 ? "" : `\n${failures.join("\n\n")}\n`;
  yield `\n${counts.pass} passed, ${counts.fail} failed, ${counts.skipped} skipped\n`;
}
