// Runs Azurite so that what it has acknowledged is on disk.
//
//   node durable.cjs "$(command -v azurite-blob)" AZURITE-ARGUMENT...
//
// Azurite writes the bytes of a blob to disk before it answers, but its two indexes, which say what
// blobs there are and where their bytes lie, only every five seconds: a kill or a power cut loses the
// uploads of the last seconds. Here each answer to a request that may have changed something waits until
// both indexes are written. Requests that come together share one write.
//
// It rests on lokijs, which keeps the indexes, and on Node's `http`, and on nothing inside Azurite; if one
// day its indexes are kept otherwise, it does not start.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const { createRequire } = require("node:module");
const path = require("node:path");

const [azurite, ...given] = process.argv.slice(2);
const program = fs.realpathSync(azurite);
const requireAsAzurite = createRequire(program);
const lokiPath = requireAsAzurite.resolve("lokijs");
const Loki = requireAsAzurite(lokiPath);

// As lokijs writes a file, whole or not at all, but on disk when it says so.
class DurableFiles extends Loki.LokiFsAdapter {
    saveDatabase(file, content, done) {
        this.replace(file, content).then(() => done(null), done);
    }

    async replace(file, content) {
        await fs.promises.writeFile(`${file}~`, content, { flush: true });
        await fs.promises.rename(`${file}~`, file);
        const folder = await fs.promises.open(path.dirname(file));
        try {
            await folder.sync();
        } finally {
            await folder.close();
        }
    }
}

const indexes = [];
class DurableLoki extends Loki {
    constructor(file, options) {
        super(file, { ...options, adapter: new DurableFiles() });
        indexes.push(this);
    }

    // What is asked for during a write goes into the next one, which lokijs shares among all who wait.
    written() {
        return new Promise((resolve, reject) => {
            this.saveDatabase((error) => (error ? reject(error) : resolve()));
        });
    }
}
require.cache[lokiPath].exports = DurableLoki;

// Where the bytes lie comes first, so that no blob is ever listed whose bytes cannot be found.
const order = ["__azurite_db_blob_extent__.json", "__azurite_db_blob__.json"];
const indexCalled = (name) => indexes.find((index) => path.basename(index.filename) === name);

async function allWritten() {
    for (const name of order) {
        await indexCalled(name).written();
    }
}

const { end } = http.ServerResponse.prototype;
http.ServerResponse.prototype.end = function endWhenWritten(...body) {
    if (["GET", "HEAD", "OPTIONS"].includes(this.req.method) || this.statusCode >= 400) {
        return end.apply(this, body);
    }
    allWritten().then(
        () => end.apply(this, body),
        (error) => {
            console.error("Nothing is acknowledged, because an index cannot be written:", error);
            this.destroy();
        },
    );
    return this;
};

const { listen } = http.Server.prototype;
http.Server.prototype.listen = function listenWithIndexes(...where) {
    const missing = order.filter((name) => !indexCalled(name));
    if (missing.length > 0) {
        throw new Error(`this Azurite does not keep ${missing.join(" and ")} with lokijs`);
    }
    return listen.apply(this, where);
};

process.argv = [process.argv[0], program, ...given];
requireAsAzurite(program);
