// Lineage graphs: pointing at a table shows all that it is made from and all that is made from it. Without this script the
// graph is still there and every table is still a link.
"use strict";

function prepare(svg) {
    const nodes = new Map([...svg.querySelectorAll(".node")].map((node) => [node.dataset.table, node]));
    const edges = [...svg.querySelectorAll(".edge")];

    function follow(start, here, there, found) {
        const waiting = [start];
        const seen = new Set(waiting);
        while (waiting.length > 0) {
            const table = waiting.pop();
            for (const edge of edges.filter((edge) => edge.dataset[here] === table)) {
                found.add(edge);
                if (!seen.has(edge.dataset[there])) {
                    seen.add(edge.dataset[there]);
                    waiting.push(edge.dataset[there]);
                }
            }
        }
        return seen;
    }

    function choose(table) {
        const related = new Set();
        const tables = new Set([...follow(table, "to", "from", related), ...follow(table, "from", "to", related)]);
        svg.classList.add("choosing");
        edges.forEach((edge) => edge.classList.toggle("related", related.has(edge)));
        nodes.forEach((node, name) => {
            node.classList.toggle("related", tables.has(name));
            node.classList.toggle("chosen", name === table);
        });
    }

    const named = () => nodes.get(decodeURIComponent(location.hash.slice(1)));

    function rest() {
        if (named()) {
            choose(named().dataset.table);
        } else {
            svg.classList.remove("choosing");
            nodes.forEach((node) => node.classList.remove("chosen"));
        }
    }

    nodes.forEach((node, table) => {
        node.addEventListener("pointerenter", () => choose(table));
        node.addEventListener("focus", () => choose(table));
        node.addEventListener("pointerleave", rest);
        node.addEventListener("blur", rest);
    });
    function show() {
        rest();
        named()?.scrollIntoView({ block: "center", inline: "center" });
    }
    window.addEventListener("hashchange", show);
    show();
}

document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("svg.lineage").forEach(prepare);
    // In a small frame the table of the page stands in the middle.
    document.querySelectorAll(".lineage-frame[data-focus]").forEach((frame) => {
        const node = frame.querySelector(`[data-table="${frame.dataset.focus}"] rect`);
        frame.scrollLeft = node.x.baseVal.value - frame.clientWidth / 2 + node.width.baseVal.value / 2;
        node.parentElement.classList.add("chosen");
    });
});
