local suspended = obj.spec.suspend == true
local plan = obj.status ~= nil and obj.status.plan or {}
local waits = plan.waitingFor == "Approval" and plan.hash ~= nil

local actions = {}
actions["approve"] = {
  ["disabled"] = suspended or not waits,
  ["displayName"] = waits and "Approve plan " .. plan.hash or "Approve plan"
}
actions["reconcile"] = {["disabled"] = suspended, ["displayName"] = "Reconcile now"}
actions["suspend"] = {["disabled"] = suspended}
actions["resume"] = {["disabled"] = not suspended}
return actions
