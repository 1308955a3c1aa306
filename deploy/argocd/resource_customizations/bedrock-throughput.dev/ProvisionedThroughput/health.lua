-- Health of a ProvisionedThroughput, from its conditions, which follow kstatus: Ready and Synced are always there, Reconciling and Stalled
-- only while they hold. Every reason is explained in docs/troubleshooting.md of bedrock-throughput-operator.

local status = obj.status or {}
local generation = obj.metadata.generation
local observed = status.observedGeneration

-- What stands in the conditions is about an older manifest, or nobody has looked yet.
if status.conditions == nil or observed ~= generation then
  return {status = "Progressing", message = "waiting for the operator to look at generation " .. tostring(generation)}
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end

if holds("Stalled") then
  return {status = "Degraded", message = conditions.Stalled.message}
end

local ready = conditions.Ready or {}

-- Both wait for a person: spec.suspend, and a plan that waits for approval.
if ready.reason == "Suspended" or ready.reason == "ApprovalRequired" then
  return {status = "Suspended", message = ready.message}
end

if holds("Reconciling") then
  return {status = "Progressing", message = conditions.Reconciling.message}
end

if not holds("Ready") then
  return {status = "Progressing", message = ready.message}
end

-- It serves. What may end that is a warning, and no fault of the manifest.
if holds("ModelAtRisk") then
  return {status = "Healthy", message = ready.message .. ". " .. conditions.ModelAtRisk.message}
end

return {status = "Healthy", message = ready.message}
