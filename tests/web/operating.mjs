// What operators and the shop's own software see: orders, the status, and the list of missing pictures for a frame.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export async function operating({ visitor, looked_at, reunite, operator, scratch, web }) {
  writeFileSync(join(scratch, "orders.csv"), "order,record\nA-17,order-0/1\nA-17,order-1/1\nB-3,order-0/1\n");
  reunite(["import-orders", join(scratch, "orders.csv")]);
  await operator.goto(`${web}/orders`);
  assert.equal(await operator.locator("tbody tr").count(), 2);
  await looked_at(operator, "orders");
  await operator.getByRole("link", { name: "Status" }).click();
  await operator.getByText("To be decided").waitFor();
  await looked_at(operator, "status");

  const token = reunite(["token", "add", "shop", "--scope", "embed"]).trim();
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${web}/api/v1/customers/bert/embed`, { method: "POST", headers });
  const frame = await visitor();
  await frame.goto((await answer.json()).url);
  await frame.getByRole("heading", { name: "Still missing" }).waitFor();
  await looked_at(frame, "embedded");
}
