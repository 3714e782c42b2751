-- Health of a Canary. There is no action to approve with: it would run as Argo CD, and the record could not say who it was.
local health = {status = "Progressing", message = "Not looked at yet"}
local phase = obj.status ~= nil and obj.status.phase or nil
if phase == nil or phase == "" then
  return health
end

local condition = obj.status.conditions ~= nil and obj.status.conditions[1] or nil
health.message = condition ~= nil and condition.message or phase
if phase == "Succeeded" or phase == "Initialized" then
  health.status = "Healthy"
elseif phase == "Failed" then
  health.status = "Degraded"
elseif phase == "Waiting" or phase == "WaitingPromotion" or obj.spec.suspend then
  health.status = "Suspended"
end
return health
