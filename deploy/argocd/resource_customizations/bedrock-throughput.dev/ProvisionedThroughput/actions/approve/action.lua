-- Approves the plan that this object shows, and no other: an approval names the plan's hash.
local plan = obj.status ~= nil and obj.status.plan or {}
if plan.waitingFor ~= "Approval" or plan.hash == nil then
  error("no plan of " .. obj.metadata.name .. " waits for approval", 0)
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["bedrock-throughput.dev/approve"] = plan.hash
return obj
