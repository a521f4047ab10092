"use strict";
// The page holds pairs of pictures and the questions that every pair is asked, one question after the other. Answers stay in this tab until they are saved.
const all = selector => [...document.querySelectorAll(selector)];
const one = id => document.getElementById(id);
const study = one("study").dataset.study, pairs = all("[data-pair]"), rounds = all("[data-about]");
const questions = rounds.flatMap(round => pairs.map(pair => ({ round, pair, id: `${round.dataset.about}-${pair.dataset.pair}` })));
const keys = { ArrowLeft: "left", ArrowRight: "right", 0: "undecided" };
let rater = Array.from(crypto.getRandomValues(new Uint8Array(4)), byte => byte.toString(16).padStart(2, "0")).join("");
let answers = {};
const answered = () => Object.keys(answers).length;

function show() {
    const now = questions[answered()];
    one("start").hidden = true;
    one("ask").hidden = !now;
    one("end").hidden = Boolean(now);
    for (const part of [...pairs, ...rounds])
        part.hidden = part !== now?.pair && part !== now?.round;
    one("ask").dataset.now = now?.round.dataset.about;
    one("back").disabled = answered() === 0;
    one("bar").value = answered();
    one("count").textContent = `${answered() + 1} of ${questions.length}`;
    one("answers").value = JSON.stringify({ study, rater, answers }, null, 2);
    one("name").textContent = `answers-${rater}.json`;
    (now ? now.round : one("thanks")).focus();
    scrollTo(0, 0);
}

function change(next) {
    answers = next;
    try {
        sessionStorage.setItem(study, JSON.stringify({ rater, answers }));
    } catch { /* Nothing is kept here: a reload begins anew. */ }
    show();
}

const answer = choice => change({ ...answers, [questions[answered()].id]: choice });
const back = () => change(Object.fromEntries(Object.entries(answers).slice(0, -1)));

function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([one("answers").value], { type: "application/json" }));
    link.download = one("name").textContent;
    link.click();
}

function copy() {
    one("answers").select();
    one("copied").hidden = !document.execCommand("copy");
}

// The second click of a double one would answer the next question.
for (const button of all("[data-answer]"))
    button.addEventListener("click", event => event.detail < 2 && answer(button.dataset.answer));
for (const [id, act] of Object.entries({ begin: show, back, again: back, save, copy }))
    one(id).addEventListener("click", act);
addEventListener("keydown", event => {
    if (!one("ask").hidden && event.key in keys && !event.repeat && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        answer(keys[event.key]);
    }
});

try {
    ({ rater, answers } = JSON.parse(sessionStorage.getItem(study)) ?? { rater, answers });
} catch { /* As above. */ }
one("begin").disabled = false;
if (answered() > 0)
    show();
