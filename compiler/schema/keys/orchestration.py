"""Contracts, bindings, workflows, prices and budgets."""

from __future__ import annotations

from typing import Any

_OBJECT = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}

KEYS: dict[str, tuple[Any, ...]] = {
    "ContractEntry.description": ("What the contract is for.", "what every ticketing system can do"),
    "ContractEntry.operations": ("Signatures by operation.", {"GET": {"input": _OBJECT}}),
    "OperationEntry.description": ("What the operation does; clients see it.", "one ticket by number"),
    "OperationEntry.input": ("JSON Schema of the arguments.", _OBJECT),
    "OperationEntry.output": ("JSON Schema of the result.", {"type": "object"}),
    "OperationEntry.optional": ("Whether a binding may leave it out.", True),
    "Binding.contract": ("The contract that is offered.", "collection/v1"),
    "Binding.as": ("The word that its tools are named after.", "ticket"),
    "Binding.provider": ("Server that provides it.", "jira"),
    "Binding.map": (
        "Each operation by one tool.",
        {"LIST": {"tool": "search_issues", "in": {"jql": "args.where"}, "out": {"items": "result.issues"}}},
    ),
    "Mapping.tool": ("Upstream name of the tool.", "search_issues"),
    "Mapping.in": ("The tool's arguments, each an expression over `args`.", {"jql": "args.where"}),
    "Mapping.out": ("The operation's result, each field an expression over `result`.", {"items": "result.issues"}),
    "Workflow.description": ("What the workflow does; clients see it.", "look at an issue and tell the desk"),
    "Workflow.run_as": ("Whose access decides about the steps.", "caller", "workflow"),
    "Workflow.input": ("JSON Schema of the arguments.", _OBJECT),
    "Workflow.steps": (
        "The calls, in order.",
        [{"name": "issue", "call": "github.get_issue", "with": {"number": "input.number"}}],
    ),
    "Workflow.output": ("Expression of the result, over `input` and `steps`.", "{'title': steps.issue.title}"),
    "Step.name": ("Name that later steps refer to it by.", "issue"),
    "Step.call": ("Tool that is called, as `SERVER.TOOL`.", "github.get_issue"),
    "Step.with": ("Arguments, each an expression over `input` and `steps`.", {"number": "input.number"}),
    "Step.when": ("Condition; where it does not hold the step is skipped.", "steps.issue.open"),
    "Step.on_error": ("What a failure means for the workflow.", "fail", "continue"),
    "Step.timeout": ("Bound on the step.", "10s"),
    "Price.per_call": ("What every call costs.", "0.02 usd"),
    "Price.input_tokens": ("What tokens sent cost.", "3.00 usd/1M"),
    "Price.output_tokens": ("What tokens received cost.", "15.00 usd/1M"),
    "Price.usage": ("Expression that finds the token counts in the result.", "result.usage"),
    "Price.max_per_call": ("What one call can cost at most; so much is reserved before it.", "0.50 usd"),
    "Price.max_tokens_per_call": ("How many tokens one call can take at most.", 8000),
    "Budget.of": ("The principals who share the limit.", {"team": "engineering"}),
    "Budget.each": ("Whom the limit holds for one by one.", "user"),
    "Budget.on": ("The capabilities that count; left out: all.", {"server": "llm"}),
    "Budget.limit": ("What may be used in a window.", "60 calls", "2M tokens", "500 usd"),
    "Budget.per": ("Length of the window.", "minute", "month"),
    "Budget.zone": ("Time zone in which days and months begin; left out: UTC.", "Europe/Berlin"),
    "Budget.on_exceed": ("What happens to calls beyond the limit.", "deny", "warn", "throttle"),
    "Budget.max_wait": ("How long a throttled call waits at most.", "10s"),
    "Budget.warn_at": ("Share of the limit from which on a warning is given.", "80%"),
    "Moved.budget": ("A budget that was renamed keeps what is spent.", {"from": "eng-monthly", "to": "eng-month"}),
    "MovedBudget.from": ("The name that it had.", "eng-monthly"),
    "MovedBudget.to": ("The name that it has.", "eng-month"),
}
