"""The pages of a hospital's console: what each shows, and its parts that follow files."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from medfl_client.config.rules import RULES
from medfl_client.connection.running import log_end
from medfl_client.console import kept, records
from medfl_client.console.admission import Admission
from medfl_client.console.hospital import Hospital, Study
from medfl_client.console.roles import OF_DATA, RESPONSIBLE
from medfl_client.console.steps import answer_of, steps_of
from medfl_client.console.waiting import Plans
from medfl_client.console.work import Works
from medfl_common.console.doors import Visitor
from medfl_common.console.live import LOOK_S, Live
from medfl_common.console.offered import Args, Page
from medfl_common.console.two_persons import TwoPersons

APPROVE = "approve"  # the word of two persons
Render = Callable[..., str]
Parts = Mapping[str, str]


class Pages:
    """Gives the pages.

    Args:
        hospital: Whose.
        works: Its work under way.
        plans: Its plans in words.
        admission: What the coordinator says of it.
        words: First words of two persons.
        chains: Whether its records are whole.
        render: Fills a template.
    """

    def __init__(
        self, hospital: Hospital, works: Works, plans: Plans, admission: Admission,
        words: TwoPersons, chains: records.Chains, render: Render,
    ) -> None:  # fmt: skip
        self._hospital, self._works, self._plans = hospital, works, plans
        self._admission, self._words, self._render = admission, words, render
        self._chains = chains
        self._live: dict[tuple[str, str], Live] = {}

    def all(self) -> list[Page]:
        """List them."""
        of = "/study/{study}"
        return [
            Page("/", "home.html.j2", self._home, lambda args: self._followed("home", "")),
            Page(
                "/join/",
                "join.html.j2",
                self._join,
                lambda args: self._followed("join", ""),
                OF_DATA,
            ),
            self._page(f"{of}/", "study.html.j2", "study"),
            self._page(f"{of}/data/", "data.html.j2", "data"),
            self._page(f"{of}/work/", "work.html.j2", "work", OF_DATA),
            self._page(f"{of}/plan/", "plan.html.j2", "plan"),
            self._page(f"{of}/left/", "left.html.j2", "left"),
            self._page(f"{of}/client/", "client.html.j2", "client", RESPONSIBLE),
            Page(f"{of}/policy/", "policy.html.j2", self._policy),
            Page(f"{of}/models/", "models.html.j2", self._models, roles=RESPONSIBLE),
            Page(f"{of}/incidents/", "incidents.html.j2", self._incidents, roles=RESPONSIBLE),
        ]

    def _page(self, path: str, template: str, name: str, roles: Sequence[str] = ()) -> Page:
        return Page(path, template, self._base, lambda args: self._followed(name, args["study"]),
                    roles)  # fmt: skip

    def _base(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        """Give what every page of a study needs."""
        study = self._hospital.study(args["study"])
        is_responsible = visitor.role in RESPONSIBLE
        site = study.site
        return {
            "study": study, "studies": self._hospital.studies, "is_responsible": is_responsible,
            "has_page": study.files.readiness.exists(), "has_audit": study.files.audit.exists(),
            "has_explanations": study.files.explanations.exists(),
            "two_persons": site is not None and site.policy.two_persons,
        }  # fmt: skip

    def _home(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        return {"is_set_up": self._hospital.is_set_up, "studies": self._hospital.studies}

    def _join(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        return {"is_set_up": self._hospital.is_set_up, "studies": self._hospital.studies,
                "folder": self._hospital.folder}  # fmt: skip

    def _policy(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        study = self._hospital.study(args["study"])
        values = study.site.policy.model_dump(mode="json") if study.site is not None else {}
        rows = [
            [number, words, name, _value(values.get(name))]
            for name, (number, words) in sorted(RULES.items(), key=lambda one: int(one[1][0][1:]))
        ]
        return {**self._base(args, visitor), "rows": rows, "file": str(study.files.site_file)}

    def _models(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        study = self._hospital.study(args["study"])
        header, rows, n = kept.predictions(study)
        found = [path.relative_to(study.folder).as_posix() for path in kept.pictures(study)]
        return {
            **self._base(args, visitor), "models": kept.models(study), "header": header,
            "rows": rows, "n": n, "pictures": found,
        }  # fmt: skip

    def _incidents(self, args: Args, visitor: Visitor) -> dict[str, Any]:
        study = self._hospital.study(args["study"])
        return {**self._base(args, visitor), "incidents": kept.incidents(study)}

    # Parts that follow.

    def _followed(self, name: str, key: str) -> Live:
        if key:
            self._hospital.study(key)  # KeyError: it is not here
        if (name, key) not in self._live:
            render: Callable[[str], Parts] = getattr(self, f"_render_{name}")
            stamp = self._stamp_of_left if name == "left" else self._stamp
            every_s = records.LOOK_S if name == "left" else LOOK_S
            self._live[name, key] = Live(lambda: stamp(key), lambda: render(key), every_s)
        return self._live[name, key]

    def _stamp(self, key: str) -> Hashable:
        """Give what changes when a part may; asks the coordinator beside, now and then."""
        one = self._hospital
        studies = [one.study(key)] if key else one.studies
        told = tuple(self._admission.of(study.folder, study.site) for study in studies)
        seen = tuple(self._plans.of(study) for study in studies)
        folders = {one.folder, *(study.folder for study in studies)}
        works = tuple((work.began, work.version) for work in map(self._works.newest, folders)
                      if work is not None)  # fmt: skip
        files = tuple(study.stamp(study.state.client_log) for study in studies)
        words = tuple(self._word(study) for study in studies)
        return one.process, told, seen, works, files, words

    def _stamp_of_left(self, key: str) -> Hashable:
        study = self._hospital.study(key)
        return study.stamp(), self._chains.is_due(study)

    def _state_of(self, study: Study) -> dict[str, Any]:
        told = self._admission.of(study.folder, study.site)
        seen = self._plans.of(study)
        steps = steps_of(study, self._hospital.process, told, seen)
        look, answer = answer_of(study, steps)
        return {"study": study, "steps": steps, "look": look, "answer": answer, "seen": seen}

    def _render_home(self, key: str) -> Parts:
        states = [self._state_of(study) for study in self._hospital.studies]
        is_set_up = self._hospital.is_set_up
        return {
            "answer": self._render("part_home.html.j2", states=states, is_set_up=is_set_up),
            "studies": self._render("part_studies.html.j2", states=states, is_set_up=is_set_up),
        }

    def _render_join(self, key: str) -> Parts:
        work = self._works.newest(self._hospital.folder)
        shown = work if work is not None and work.what == "join" else None
        return {"work": self._render("part_work.html.j2", work=shown)}

    def _render_work(self, key: str) -> Parts:
        work = self._works.newest(self._hospital.study(key).folder)
        return {"work": self._render("part_work.html.j2", work=work)}

    def _render_study(self, key: str) -> Parts:
        state = self._state_of(self._hospital.study(key))
        return {
            "answer": self._render("part_answer.html.j2", **state),
            "steps": self._render("part_steps.html.j2", **state),
        }

    def _render_data(self, key: str) -> Parts:
        study = self._hospital.study(key)
        work = self._works.newest(study.folder)
        step = steps_of(study, "", None, None)[2]
        return {
            "answer": self._render("part_step.html.j2", step=step),
            "under_way": self._render("part_under_way.html.j2", work=work),
            "facts": self._render("part_data.html.j2", facts=study.readiness),
        }

    def _render_plan(self, key: str) -> Parts:
        study = self._hospital.study(key)
        seen, plan = self._plans.of(study), study.plan
        status = study.status(plan) if plan is not None else ""
        return {
            "answer": self._render("part_plan_answer.html.j2", study=study, seen=seen, plan=plan,
                                   status=status, word=self._word(study)),
            "plan": self._render("part_plan.html.j2", seen=seen),
        }  # fmt: skip

    def _render_left(self, key: str) -> Parts:
        found = records.left(self._hospital.study(key), self._chains)
        return {
            "answer": self._render("part_left_answer.html.j2", left=found),
            "left": self._render("part_left.html.j2", left=found, header=records.HEADER),
        }

    def _render_client(self, key: str) -> Parts:
        own, study = self._hospital.studies[0], self._hospital.study(key)
        step = steps_of(study, self._hospital.process, None, None)[4]
        return {
            "answer": self._render("part_step.html.j2", step=step),
            "log": self._render("part_log.html.j2", lines=log_end(own.folder).splitlines()[-40:]),
        }

    def _word(self, study: Study) -> Any:
        """Give the first of two persons' words for the plan as it is; None: there is none."""
        seen = self._plans.of(study)
        subject = subject_of(seen.facts) if seen is not None and seen.facts is not None else ""
        return self._words.waiting(APPROVE, subject) if subject else None


def subject_of(facts: Mapping[str, Any]) -> str:
    """Say for what a first word is: the plan and its hospitals as they are now."""
    return f"{facts['plan_hash']} {facts['group']}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not set" if value is None else str(value)
