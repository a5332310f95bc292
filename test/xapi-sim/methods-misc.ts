/** Messages, tasks and secrets. */
import { createMessage } from "./messages.ts";
import { action, query, type MethodTable } from "./method.ts";
import { cancelTask } from "./tasks.ts";
import { asNumber, asText, asTexts, isRec } from "./types.ts";

export const miscMethods: MethodTable = {
  "message.create": query(
    ["s", "i", "e", "s", "s"],
    ({ xapi }, [name, priority, cls, uuid, body]) =>
      createMessage(xapi, asText(name), asNumber(priority), asText(cls), asText(uuid), asText(body)),
    { noAsync: true },
  ),
  "message.destroy": action(["@message"], ({ xapi }, [ref]) => xapi.db.destroy("message", asText(ref)), {
    noAsync: true,
  }),
  "message.destroy_many": action(["[@message]"], ({ xapi }, [refs]) => {
    for (const ref of asTexts(refs)) xapi.db.destroy("message", ref);
  }),
  "message.get_since": query(
    ["d"],
    ({ xapi }, [since]) =>
      Object.fromEntries(
        xapi.db
          .refs("message")
          .filter((ref) => xapi.db.text("message", ref, "timestamp") > asText(since))
          .map((ref) => [ref, xapi.db.record("message", ref)]),
      ),
    { noAsync: true },
  ),
  "task.cancel": action(["@task"], ({ xapi }, [ref]) => cancelTask(xapi, asText(ref))),
  "task.destroy": action(["@task"], ({ xapi }, [ref]) => xapi.db.destroy("task", asText(ref)), { noAsync: true }),
  "task.create": query(
    ["s", "s"],
    ({ xapi }, [label = "", description = ""]) =>
      xapi.db.create("task", {
        name_label: label,
        name_description: description,
        allowed_operations: ["cancel", "destroy"],
      }),
    { noAsync: true },
  ),
  "secret.create": query(["?"], ({ xapi }, [record]) => {
    const given = isRec(record) ? record : {};
    return xapi.db.create("secret", { value: asText(given["value"]), other_config: given["other_config"] ?? {} });
  }),
  "secret.introduce": query(["s", "s", "{s,s}"], ({ xapi }, [uuid = "", value = "", other = {}]) =>
    xapi.db.create("secret", { uuid, value, other_config: other }),
  ),
  "secret.destroy": action(["@secret"], ({ xapi }, [ref]) => xapi.db.destroy("secret", asText(ref))),
};
