// Looks whether documents tell the truth as far as a program can see: links lead somewhere, and scripts have
// the options with which they are called. node documents.mjs REPOSITORY FILE...
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const [repository, ...files] = process.argv.slice(2);
const faults = [];

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(file) {
    const prose = readFileSync(file, "utf8").replace(/^```[\s\S]*?^```/gm, "");
    const seen = new Map();
    return new Set(
        [...prose.matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading]) => {
            const anchor = heading
                .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
                .toLowerCase()
                .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
                .replace(/ /g, "-");
            const times = seen.get(anchor) ?? 0;
            seen.set(anchor, times + 1);
            return times === 0 ? anchor : `${anchor}-${times}`;
        }),
    );
}

function checkLinks(file, text) {
    for (const [, target] of text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [to, anchor] = target.split("#");
        const where = to === "" ? file : path.resolve(path.dirname(file), to);
        if (!existsSync(where)) faults.push(`${file}: ${target} leads nowhere`);
        else if (anchor !== undefined && where.endsWith(".md") && !anchorsOf(where).has(anchor)) {
            faults.push(`${file}: there is no heading for ${target}`);
        }
    }
}

const helps = new Map();
function helpOf(script) {
    if (!helps.has(script)) {
        helps.set(script, execFileSync(path.join(repository, script), ["--help"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }));
    }
    return helps.get(script);
}

function checkCalls(file, text) {
    // Blocks of shell, and what stands in the text as code; a call ends with what shells end it with.
    const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block.replace(/\\\n/g, " "));
    const spans = [...text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`]+)`/g)].map(([, span]) => span.replace(/\n/g, " "));
    for (const code of [...blocks, ...spans]) {
        for (const [, script, rest] of code.matchAll(/(?:^|[\s(;|&])(?:\.\/)?(scripts\/[a-z-]+)(?=[\s);|&]|$)([^\n#|;&]*)/gm)) {
            if (!existsSync(path.join(repository, script))) {
                faults.push(`${file}: there is no ${script}`);
                continue;
            }
            // What stands behind -- is for somebody else.
            for (const [option] of rest.replace(/ -- .*/, "").matchAll(/(?<=\s)--[a-z][a-z-]*/g)) {
                const known = new RegExp(`(^|[^a-z-])${option}([^a-z-]|$)`).test(helpOf(script));
                if (!known) faults.push(`${file}: ${script} knows no ${option}`);
            }
        }
    }
}

for (const file of files) {
    const text = readFileSync(file, "utf8");
    checkLinks(file, text);
    checkCalls(file, text);
}
for (const fault of faults) console.error(path.isAbsolute(fault) ? path.relative(repository, fault) : fault);
process.exitCode = faults.length === 0 ? 0 : 1;
