//! Creates and updates credentials for GitHub Apps. Records contain a key's fingerprint, never the
//! key.

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{WriteResponse, Writer};
use crate::audit::Subject;
use crate::domain::credential::{Auth, Credential, DesiredCredential};
use crate::domain::name::FleetName;
use crate::domain::text::code;
use crate::garm::{ErrorKind, GarmError};
use crate::reconcile::audit_trail::WriteRecord;
use crate::reconcile::duplicate_pools::{DUPLICATE_POLL, DUPLICATE_TIMEOUT};
use crate::reconcile::reread;
use crate::reconcile::write_outcome::{WriteError, WriteOutcome};

const DESCRIPTION: &str = "description";

/// A credential that GARM is to have.
#[derive(Debug, Clone, Copy)]
pub(in crate::reconcile) struct CredentialOrder<'a> {
    /// The fleet that declares it.
    pub(in crate::reconcile) fleet: &'a FleetName,
    pub(in crate::reconcile) wanted: &'a DesiredCredential,
    /// The private key to the fingerprint in `wanted`.
    pub(in crate::reconcile) key: &'a SecretString,
}

impl CredentialOrder<'_> {
    fn mark(&self) -> String {
        self.wanted.mark(self.fleet)
    }

    /// Compares by the mark, which contains what GARM does not return.
    fn is_met_by(&self, there: &Credential) -> bool {
        there.is_named(&self.wanted.name)
            && there.endpoint == self.wanted.endpoint
            && there.auth == Auth::App
            && there.description == self.mark()
    }

    fn subject(&self, id: Option<u64>) -> Subject {
        Subject::Credential { name: self.wanted.name.clone(), id }
    }

    fn image(&self) -> Value {
        let wanted = self.wanted;
        json!({
            "endpoint": wanted.endpoint,
            "app_id": wanted.app_id,
            "installation_id": wanted.installation_id,
            "key": wanted.key.as_str(),
        })
    }

    fn is_whole(&self, answer: Credential) -> Result<Credential, WriteError> {
        if self.is_met_by(&answer) {
            Ok(answer)
        } else {
            Err(WriteError::Ignored(vec![DESCRIPTION]))
        }
    }
}

impl Writer {
    /// `POST /github/credentials`, once. Names are unique in GARM, so what the existing credential
    /// contains shows whether another run of this fleet was faster. If the answer is lost, the list
    /// is read until the credential appears, for 10 s.
    pub(in crate::reconcile) async fn add_credential(
        &self,
        order: CredentialOrder<'_>,
    ) -> Result<WriteOutcome, WriteError> {
        self.refuse_old(self.line)?;
        if let Some(there) = self.credential_named(&order).await? {
            return taken(&order, &there).map(|_| WriteOutcome::AlreadyDone);
        }
        let entry = WriteRecord {
            act: "create credential",
            subject: order.subject(None),
            before: None,
            after: Some(order.image()),
            decision: None,
        };
        let intent = self.record.intent(&entry).await?;
        let answer = self.client.create_credential(order.wanted, &order.mark(), order.key).await;
        let mut deed = WriteOutcome::Done;
        let result = match WriteResponse::from(answer) {
            WriteResponse::Good(made) => order.is_whole(made),
            WriteResponse::No(error) if error.kind == ErrorKind::Conflict => {
                deed = WriteOutcome::AlreadyDone;
                match self.credential_named(&order).await {
                    Ok(Some(there)) => taken(&order, &there),
                    Ok(None) => Err(WriteError::Garm(error)),
                    Err(trouble) => Err(trouble),
                }
            }
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => self.look_for_credential(&order, error).await,
        };
        let subject = order.subject(result.as_ref().ok().map(|credential| credential.id));
        self.record.outcome(WriteRecord { subject, ..entry }, intent, result).await.map(|_| deed)
    }

    /// After a POST without an answer, which GARM may have carried out or may still carry out:
    /// looks for the credential.
    async fn look_for_credential(
        &self,
        order: &CredentialOrder<'_>,
        error: GarmError,
    ) -> Result<Credential, WriteError> {
        let deadline = Instant::now() + DUPLICATE_TIMEOUT;
        loop {
            match self.credential_named(order).await {
                Ok(Some(there)) => return taken(order, &there),
                Ok(None) => {}
                Err(_) => return Err(WriteError::Unknown(error)),
            }
            // A 500 by GARM itself is an answer: no request is in flight any more.
            if error.kind == ErrorKind::Server(500) || Instant::now() >= deadline {
                return Err(WriteError::Garm(error));
            }
            tokio::time::sleep(DUPLICATE_POLL).await;
        }
    }

    /// `PUT /github/credentials/ID`, if the credential still belongs to this fleet. If the answer
    /// is lost, the credential is read back.
    pub(in crate::reconcile) async fn replace_credential(
        &self,
        id: u64,
        order: CredentialOrder<'_>,
    ) -> Result<WriteOutcome, WriteError> {
        self.refuse_old(self.line)?;
        let Some(there) = self.credential(id).await.map_err(WriteError::Garm)? else {
            return Err(WriteError::Changed("the credential no longer exists".into()));
        };
        check(&order, &there).map_err(WriteError::Changed)?;
        if order.is_met_by(&there) {
            return Ok(WriteOutcome::AlreadyDone);
        }
        let entry = WriteRecord {
            act: "update credential",
            subject: order.subject(Some(id)),
            before: Some(json!({ DESCRIPTION: there.description })),
            after: Some(order.image()),
            decision: None,
        };
        let intent = self.record.intent(&entry).await?;
        let answer =
            self.client.update_credential(id, order.wanted, &order.mark(), order.key).await;
        let result = match WriteResponse::from(answer) {
            WriteResponse::Good(now) => order.is_whole(now),
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => match self.credential(id).await {
                Ok(Some(now)) if order.is_met_by(&now) => Ok(now),
                Ok(_) => Err(WriteError::Garm(error)),
                Err(_) => Err(WriteError::Unknown(error)),
            },
        };
        self.record.outcome(entry, intent, result).await.map(|_| WriteOutcome::Done)
    }

    async fn credential(&self, id: u64) -> Result<Option<Credential>, GarmError> {
        let all = reread::with_retries(|| self.client.credentials()).await?;
        Ok(all.into_iter().find(|credential| credential.id == id))
    }

    async fn credential_named(
        &self,
        order: &CredentialOrder<'_>,
    ) -> Result<Option<Credential>, WriteError> {
        let all =
            reread::with_retries(|| self.client.credentials()).await.map_err(WriteError::Garm)?;
        Ok(all.into_iter().find(|credential| credential.is_named(&order.wanted.name)))
    }
}

/// Returns the existing credential of our name if it is as requested, whether this request or
/// another run created it. Fails if it is different.
fn taken(order: &CredentialOrder<'_>, there: &Credential) -> Result<Credential, WriteError> {
    if order.is_met_by(there) {
        return Ok(there.clone());
    }
    let name = code(&there.name);
    Err(WriteError::Changed(format!("a credential {name} exists now and has other contents")))
}

/// Checks that the credential belongs to this fleet; the error says what it is instead.
fn check(order: &CredentialOrder<'_>, there: &Credential) -> Result<(), String> {
    match there.mark() {
        Some(mark) if mark.fleet == order.fleet.as_str() => {}
        Some(mark) => {
            return Err(format!("the credential is now the fleet {}'s", code(&mark.fleet)));
        }
        None => return Err("the credential no longer bears this fleet's mark".into()),
    }
    if !there.is_named(&order.wanted.name) {
        return Err(format!("the credential is now named {}", code(&there.name)));
    }
    Ok(())
}
