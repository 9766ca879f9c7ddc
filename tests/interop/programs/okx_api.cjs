// Driver of the npm package okx-api: see tests/interop/clients.py.
"use strict";

const { createInterface } = require("node:readline");
const { RestClient } = require("okx-api");

// The calls of okx-api return the rows of an answer, and throw the answer if its code is not 0.
const calls = {
  account: async (client) =>
    (await client.getAccountConfiguration()).map((row) => ({ user_id: row.uid, pos_mode: row.posMode })),

  positions: async (client, { inst_ids }) =>
    (await client.getPositions(inst_ids.length ? { instId: inst_ids.join(",") } : undefined)).map((row) => ({
      inst_id: row.instId,
      mgn_mode: row.mgnMode,
      pos_side: row.posSide,
      pos: row.pos,
    })),

  close: async (client, { inst_id, mgn_mode, pos_side, cl_ord_id, auto_cxl }) =>
    (
      await client.closePositions({
        instId: inst_id,
        mgnMode: mgn_mode,
        posSide: pos_side,
        clOrdId: cl_ord_id,
        autoCxl: auto_cxl,
      })
    ).map((row) => ({ inst_id: row.instId, cl_ord_id: row.clOrdId })),
};

async function seen(client, call, given) {
  try {
    return { code: "0", rows: await calls[call](client, given), error: "" };
  } catch (thrown) {
    if (thrown?.code === undefined || thrown instanceof Error) throw thrown; // not an answer of the exchange
    return { code: thrown.code, rows: [], error: "" };
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const client = new RestClient({
      apiKey: order.api_key,
      apiSecret: order.secret_key,
      apiPass: order.passphrase,
      baseUrl: order.base_url,
      demoTrading: order.demo,
    });
    const made = Array.from({ length: order.times }, () => seen(client, order.call, order.arguments));
    process.stdout.write(JSON.stringify(await Promise.all(made)) + "\n");
  }
}

main();
