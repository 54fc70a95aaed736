// Evaluates IAM policies: reads [{scps, identity, trust?, request: {principal, action, resource, account, context}}] from standard input, and
// writes the result of each: Allowed, ExplicitlyDenied, ImplicitlyDenied, or the error.
import { createRequire } from 'node:module'

const require = createRequire(process.argv[2])
const { runSimulation } = require('@cloud-copilot/iam-simulate')
const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }

let text = ''
for await (const piece of process.stdin) text += piece
const results = []
for (const { scps, identity, trust, request } of JSON.parse(text)) {
  const policies = [{ name: 'FullAWSAccess', policy: everything }, ...scps.map((policy, at) => ({ name: `scp-${at}`, policy }))]
  const answer = await runSimulation(
    {
      identityPolicies: identity.map((policy, at) => ({ name: `identity-${at}`, policy })),
      serviceControlPolicies: [{ orgIdentifier: 'r-root', policies }],
      resourceControlPolicies: [],
      resourcePolicy: trust,
      request: {
        principal: request.principal,
        action: request.action,
        resource: { resource: request.resource, accountId: request.account },
        contextVariables: request.context,
      },
    },
    {},
  )
  results.push(answer.resultType === 'error' ? `error: ${JSON.stringify(answer.errors)}` : answer.overallResult)
}
console.log(JSON.stringify(results))
