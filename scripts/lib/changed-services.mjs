// The rule of scripts/changed-services: which images change when files do.
// node changed-services.mjs METADATA DOCKERIGNORE FILES IMAGE...
import { readFileSync } from "node:fs";
import path from "node:path";

const [metadataFile, ignoreFile, filesFile, ...images] = process.argv.slice(2);

/** What lies outside of every crate and changes all images, beside what .dockerignore lets through. */
const SHARED = new Set(["Dockerfile", ".dockerignore"]);

/** `*` is anything within one folder, `**` anything; a folder stands for all that is in it. */
function patternOf(text) {
    const source = text
        .replace(/^\/|\/$/g, "")
        .split(/(\*\*\/?|\*|\?)/)
        .map((part) => {
            if (part === "*") return "[^/]*";
            if (part === "?") return "[^/]";
            if (part === "**/") return "(.*/)?";
            if (part === "**") return ".*";
            return part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
        })
        .join("");
    return new RegExp(`^${source}(/|$)`);
}

/** Tells whether a file is sent to the build: the last line that fits decides. */
function readIgnore(text) {
    const rules = text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#"))
        .map((line) =>
            line.startsWith("!")
                ? { sent: true, pattern: patternOf(line.slice(1)) }
                : { sent: false, pattern: patternOf(line) },
        );
    return (file) => rules.findLast((rule) => rule.pattern.test(file))?.sent ?? true;
}

/** The folders that each crate's program is built from, from the repository's folder on. */
function readWorkspace(metadata) {
    const fromRoot = (folder) => path.posix.relative(metadata.workspace_root, folder);
    const byFolder = new Map(metadata.packages.map((crate) => [path.dirname(crate.manifest_path), crate]));
    const foldersOf = (name) => {
        const start = metadata.packages.find((crate) => crate.name === name);
        if (start === undefined) throw new Error(`the workspace has no crate ${name}`);
        const folders = new Set();
        const waiting = [path.dirname(start.manifest_path)];
        while (waiting.length > 0) {
            const folder = waiting.pop();
            if (folders.has(folder)) continue;
            folders.add(folder);
            const crate = byFolder.get(folder);
            // An input that is no crate, such as the web pages, needs nothing else.
            if (crate === undefined) continue;
            for (const needed of crate.dependencies) {
                if (needed.path !== undefined && needed.kind !== "dev") waiting.push(needed.path);
            }
            for (const input of crate.metadata?.image?.inputs ?? []) waiting.push(path.join(folder, input));
        }
        return [...folders].map(fromRoot);
    };
    return { crates: [...byFolder.keys()].map(fromRoot), foldersOf };
}

const lies = (file, folders) => folders.some((folder) => file.startsWith(`${folder}/`));

const sent = readIgnore(readFileSync(ignoreFile, "utf8"));
const { crates, foldersOf } = readWorkspace(JSON.parse(readFileSync(metadataFile, "utf8")));
const changed = readFileSync(filesFile, "utf8")
    .split("\n")
    .filter((file) => file !== "" && (SHARED.has(file) || sent(file)));
const inputs = new Map(images.map((image) => [image, foldersOf(image)]));
const owned = [...crates, ...[...inputs.values()].flat()];

for (const image of images) {
    const why = changed.find((file) => lies(file, inputs.get(image)) || !lies(file, owned));
    if (why === undefined) continue;
    console.error(`changed-services: ${image}, because of ${why}`);
    console.log(image);
}
