//! Recognizes a provider's message that it has no quota or capacity left for another VM.
//!
//! Providers pass the text of their cloud on, and GARM adds to it, so phrases are looked for
//! anywhere in the text. Each phrase is a cloud's error code, or enough of its sentence that no other
//! error contains it.

/// Phrases of a limit on requests, in lower case. Such an error passes within seconds, and some
/// clouds call that limit a quota, too.
const REQUEST_LIMITS: &[&str] = &[
    "per 100 seconds",
    "per minute",
    "per second",
    "quota group",
    "quota metric",
    "rate exceeded",
    "rate limit",
    "ratelimit",
    "requestlimitexceeded",
    "throttl",
    "too many requests",
];

/// Phrases of exhausted quota or capacity, in lower case.
const NO_CAPACITY: &[&str] = &[
    // AWS: error codes of EC2, and the sentences that come without one.
    "addresslimitexceeded",
    "instancelimitexceeded",
    "insufficientaddresscapacity",
    "insufficientcapacityonhost",
    "insufficientfreeaddressesinsubnet",
    "insufficienthostcapacity",
    "insufficientinstancecapacity",
    "insufficientreservedinstancecapacity",
    "insufficientvolumecapacity",
    "maxspotinstancecountexceeded",
    "no spot capacity available",
    // No capacity at the price that the pool may pay.
    "spotmaxpricetoolow",
    "unfulfillablecapacity",
    "vcpulimitexceeded",
    "volumelimitexceeded",
    // Google Cloud.
    "does not have enough resources available",
    "quota_exceeded",
    "resource_pool_exhausted",
    // Azure: error codes, and the sentence of `OperationNotAllowed`, which has other causes, too. The
    // first includes `ZonalAllocationFailed`.
    "allocationfailed",
    "exceeding approved",
    "exceeding quota limit",
    "overconstrainedallocationrequest",
    "overconstrainedzonalallocationrequest",
    "publicipcountlimitreached",
    "skunotavailable",
    // Azure, and the reason of an error of Google's API.
    "quotaexceeded",
    // OpenStack: Nova, Cinder and Neutron.
    "exceeds allowed gigabytes quota",
    "maximum number of volumes allowed",
    "no more ip addresses available",
    "no valid host was found",
    "novalidhost",
    "quota exceeded for",
    // LXD and Incus: limits of a project.
    "reached maximum aggregate value",
    "reached maximum number of containers",
    "reached maximum number of instances",
    "reached maximum number of virtual",
    // Kubernetes.
    "exceeded quota:",
    "insufficient cpu",
    "insufficient memory",
    "insufficient nvidia.com/gpu",
    // Oracle Cloud.
    "out of host capacity",
    "service limits were exceeded",
    // Hetzner Cloud.
    "error during placement (resource_unavailable",
    "resource_limit_exceeded",
];

/// Whether the text of a provider fault says that there is no quota or capacity left. Upper and
/// lower case, URLs and limits on requests do not count.
pub fn lacks_capacity(fault: &str) -> bool {
    let text = without_urls(&fault.to_lowercase());
    let contains = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    !contains(REQUEST_LIMITS) && (contains(NO_CAPACITY) || names_exceeded_quota(&text))
}

/// Google's `Quota 'CPUS' exceeded.`
fn names_exceeded_quota(text: &str) -> bool {
    text.split("quota '").skip(1).any(|rest| {
        let after = rest.split_once('\'').map(|halves| halves.1);
        after.is_some_and(|after| after.starts_with(" exceeded"))
    })
}

/// The text without its URLs: their paths name quotas and limits in other errors, too.
fn without_urls(text: &str) -> String {
    let mut parts = text.split("://");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '\\' | ')');
        rest.push_str(part.find(ends).map_or("", |end| &part[end..]));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of clouds, as their users have reported them.
    const LACKING: &[&str] = &[
        // AWS
        "operation error EC2: RunInstances, https response error StatusCode: 500, api error \
         InsufficientInstanceCapacity: We currently do not have sufficient m5.8xlarge capacity in \
         the Availability Zone you requested (us-west-1a).",
        "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of \
         32 allows for the instance bucket that the specified instance type belongs to. Please \
         visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment",
        "api error InstanceLimitExceeded: You have requested more instances (21) than your current \
         instance limit of 20 allows for the specified instance type.",
        "An error occurred (MaxSpotInstanceCountExceeded) when calling the RunInstances \
         operation: Max spot instance count exceeded",
        "InsufficientCapacityOnHost: Dedicated host h-04 has insufficient capacity",
        "UnfulfillableCapacity: Unable to fulfill capacity: There is no Spot capacity available \
         that matches your request.",
        "api error SpotMaxPriceTooLow: Your Spot request price of 0.01 is lower than the minimum",
        // Google Cloud
        "ZONE_RESOURCE_POOL_EXHAUSTED: The zone 'projects/p/zones/us-central1-a' does not have \
         enough resources available to fulfill the request. Try a different zone, or try again \
         later.",
        "503 SERVICE UNAVAILABLE ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS: The zone 'z'",
        "googleapi: Error 403: Quota 'C2_CPUS' exceeded.  Limit: 50.0 in region us-east1.",
        "QUOTA_EXCEEDED: Quota 'IN_USE_ADDRESSES' exceeded. Limit: 4.0 in region us-central1.",
        "Error 403: The request cannot be completed., quotaExceeded",
        // Azure
        "RESPONSE 409: 409 Conflict\nERROR CODE: OperationNotAllowed\n{\"message\": \"Operation \
         could not be completed as it results in exceeding approved standardDASv5Family Cores \
         quota. Additional details - Location: eastus, Current Limit: 100, Current Usage: 96\"",
        "{\"code\":\"QuotaExceeded\",\"message\":\"Operation could not be completed\"}",
        "Code=\"OperationNotAllowed\" Message=\"Operation results in exceeding quota limits of \
         Core. Maximum allowed: 20, Current in use: 20, Additional requested: 2.\"",
        "SkuNotAvailable: The requested VM size for resource 'Following SKUs have failed for \
         Capacity Restrictions: Standard_B2s' is currently not available in location 'eastus'.",
        "ERROR CODE: AllocationFailed: Allocation failed. We do not have sufficient capacity",
        "Code=\"ZonalAllocationFailed\"",
        "Code=\"OverconstrainedAllocationRequest\" Message=\"Allocation failed. VM(s) with the \
         following constraints cannot be allocated, because the condition is too restrictive.",
        "Status: \"OverconstrainedZonalAllocationRequest\"",
        // OpenStack
        "Request forbidden: [POST http://10.1.0.30/compute/v2.1/servers], error message: \
         {\"forbidden\": {\"code\": 403, \"message\": \"Quota exceeded for instances: Requested \
         1, but already used 10 of 10 instances\"}}",
        "Quota exceeded for cores, instances: Requested 8, 1, but already used 40, 5 of 40, 5",
        "No valid host was found. There are not enough hosts available.",
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes \
         quota.",
        // LXD and Incus
        "Failed instance creation: Reached maximum number of instances in project \"default\"",
        "Reached maximum number of instances of type \"container\" in project \"ci\"",
        "Reached maximum aggregate value \"16\" for \"limits.cpu\" in project \"ci\"",
        // Kubernetes
        "pods \"r-1\" is forbidden: exceeded quota: namespace-quota, requested: limits.cpu=1, \
         used: limits.cpu=6, limited: limits.cpu=6",
        "0/3 nodes are available: 3 Insufficient cpu.",
        // Oracle Cloud, Hetzner Cloud
        "500-InternalError, Out of host capacity.",
        "The following service limits were exceeded: standard-a1-core-count.",
        "server limit exceeded (resource_limit_exceeded, d1798f30e86aa508)",
        "error during placement (resource_unavailable, 6c4be35cf2e8ed9d)",
    ];

    const OTHERS: &[&str] = &[
        "",
        "image not found",
        "quota",
        "pool quota-tests: flavor not found",
        "api error RequestLimitExceeded: Request limit exceeded.",
        "Throttling: Rate exceeded",
        "429 Too Many Requests: OperationNotAllowed: The server rejected the request because too \
         many requests have been received for this subscription.",
        "googleapi: Error 403: Quota exceeded for quota metric 'Queries' and limit 'Queries per \
         minute' of service 'compute.googleapis.com', rateLimitExceeded",
        "Quota exceeded for quota group 'ReadGroup' and limit 'Read requests per 100 seconds'",
        "API rate limit exceeded for installation",
        "api error Unsupported: The requested configuration is currently not supported.",
        "InvalidParameterValue: see https://docs.example.com/errors/QuotaExceeded for help",
        "GET \"https://quota.example.com/quota_exceeded?x=InsufficientInstanceCapacity\": EOF",
        "ERROR CODE: OperationNotAllowed: the VM is being deleted",
        "pods \"r-1\" is forbidden: failed quota: ci: must specify requests.cpu",
        "UnauthorizedOperation: You are not authorized to perform this operation.",
        "Quota 'unclosed",
        "error creating instance: provider binary returned error: exit status 1: timeout",
    ];

    #[test]
    fn the_messages_of_clouds_without_quota_or_capacity_are_recognized_in_any_case() {
        for text in LACKING {
            let wrapped =
                format!("error creating instance: provider binary returned error: {text}");
            for text in [wrapped.to_uppercase(), wrapped.to_lowercase(), wrapped] {
                assert!(lacks_capacity(&text), "{text}");
            }
        }
        for phrase in NO_CAPACITY.iter().chain(REQUEST_LIMITS) {
            assert_eq!(*phrase, phrase.to_lowercase());
        }
    }

    #[test]
    fn other_errors_limits_on_requests_and_urls_do_not_count() {
        for text in OTHERS {
            for text in [(*text).to_owned(), text.to_uppercase()] {
                assert!(!lacks_capacity(&text), "{text}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_text_with_a_url_counts() {
        assert!(lacks_capacity("POST https://a/b: QuotaExceeded"));
        assert!(lacks_capacity("(see http://x) no valid host was found http://y"));
        assert_eq!(without_urls("a https://b/c d http://e"), "a https d http");
    }
}
