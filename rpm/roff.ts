// The guide's pages as one manual page. Knows as much of Markdown as the guide uses: headings, paragraphs, lists, blocks
// of code, code spans and links.

/** Text as roff shall print it: no escape of its own, no line that looks like a request. */
export const literal = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .split("\n")
    .map((line) => line.replace(/^([.'])/, "\\&$1"))
    .join("\n");

const inline = (text: string): string =>
  text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1")
    .split("`")
    .map((part, index) => (index % 2 === 0 ? literal(part) : `\\fB${literal(part).replace(/^\\&/, "")}\\fR`))
    .join("")
    .replace(/^([.'])/, "\\&$1");

/** Headings of the second level become small ones below the page's own. */
export function roffOf(markdown: string): string {
  const blocks = markdown.trim().split(/\n{2,}/);
  return blocks
    .map((block) => {
      const [, marks, heading] = /^(#+) (.+)$/.exec(block) ?? [];
      if (heading !== undefined)
        return `${marks === "#" ? ".SH" : ".SS"} "${inline(heading).replaceAll('"', "\\(dq")}"`;
      if (/^ {4}/.test(block)) return `.PP\n.nf\n.RS\n${literal(block.replaceAll(/^ {4}/gm, ""))}\n.RE\n.fi`;
      if (block.startsWith("- "))
        return block
          .split(/^- /m)
          .filter((item) => item !== "")
          .map((item) => `.IP \\(bu 2\n${inline(item.trim().replaceAll("\n", " "))}`)
          .join("\n");
      return `.PP\n${inline(block.replaceAll("\n", " "))}`;
    })
    .join("\n");
}
