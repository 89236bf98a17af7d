// Puts the parts of an image's bill of materials together, as CycloneDX 1.5; see scripts/sbom.
// node sbom.mjs NAME IMAGE-JSON SYSTEM-BOM CRATES-BOM WEB-BOM
import { readFileSync } from "node:fs";

const name = process.argv[2];
const [image, system, crates, web] = process.argv.slice(3).map((file) => JSON.parse(readFileSync(file, "utf8")));

/** Whose program has the web pages in it. */
const WITH_PAGES = ["gateway", "flixtube"];
/** What of npm's packages ends in the pages. All others are tools that make them. */
const IN_PAGES = ["svelte"];

/** Each maker has members of its own; these are what all agree on. */
function component({ type, name, version, purl, hashes, licenses, "bom-ref": ref }) {
    const known = (licenses ?? []).flatMap(({ license, expression }) => {
        if (expression !== undefined) return [{ expression }];
        if (license?.id !== undefined) return [{ license: { id: license.id } }];
        return license?.name === undefined ? [] : [{ license: { name: license.name } }];
    });
    // Either one expression or a list of licences, as the format has it.
    const expression = known.find((one) => "expression" in one);
    return {
        type,
        "bom-ref": ref,
        name,
        version,
        // A crate of this repository can be downloaded nowhere by itself.
        purl: purl?.replace(/\?download_url=file:.*$/, ""),
        hashes,
        licenses: expression === undefined ? known : [expression],
    };
}

/** The components that are reached from these, and the edges between them. */
function reached(bom, from) {
    const edges = new Map((bom.dependencies ?? []).map(({ ref, dependsOn }) => [ref, dependsOn ?? []]));
    const seen = new Set();
    const waiting = [...from];
    while (waiting.length > 0) {
        const ref = waiting.pop();
        if (seen.has(ref)) continue;
        seen.add(ref);
        waiting.push(...(edges.get(ref) ?? []));
    }
    return {
        components: (bom.components ?? []).filter((one) => seen.has(one["bom-ref"])),
        dependencies: [...seen].map((ref) => ({ ref, dependsOn: edges.get(ref) ?? [] })),
    };
}

const program = crates.metadata.component;
const fromCargo = reached(crates, [program["bom-ref"]]);
const fromNpm = WITH_PAGES.includes(name)
    ? reached(web, web.components.filter((one) => IN_PAGES.includes(one.name)).map((one) => one["bom-ref"]))
    : { components: [], dependencies: [] };
const ofSystem = (system.components ?? []).filter(({ type, purl }) => type === "library" && purl !== undefined);

const label = (key) => (image.Config.Labels ?? {})[`org.opencontainers.image.${key}`];
const top = { type: "container", "bom-ref": "image", name, version: label("version") || "unknown" };
const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
        timestamp: image.Created,
        component: top,
        properties: ["source", "revision"]
            .filter((key) => label(key))
            .map((key) => ({ name: `org.opencontainers.image.${key}`, value: label(key) })),
    },
    components: [program, ...fromCargo.components, ...fromNpm.components, ...ofSystem].map(component),
    dependencies: [
        {
            ref: "image",
            dependsOn: [
                program["bom-ref"],
                ...fromNpm.components.filter((one) => IN_PAGES.includes(one.name)).map((one) => one["bom-ref"]),
                ...ofSystem.map((one) => one["bom-ref"]),
            ],
        },
        ...fromCargo.dependencies,
        ...fromNpm.dependencies,
    ],
};
console.log(JSON.stringify(bom, null, 2));
